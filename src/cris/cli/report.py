"""`cris report`: a page of an evaluation's results."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from cris.cli.results import read_results
from cris.errors import InputError
from cris.files import atomic_files
from cris.jobs import check_folder, is_unused, to_json

if TYPE_CHECKING:
    from cris.cli.results import Results
    from cris.evaluation.report.page import Subject

PAGE = "index.html"
MARK = '<meta name="generator" content="cris report">'


@dataclass(frozen=True, kw_only=True)
class Command:
    """Draw a report: figures with intervals, plots, kinds of failure, and a gallery to sort and filter.

    The folder opens in any browser without a server or a network: open its index.html. Needs the extra eval.
    """

    results: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RESULTS")]
    """Folder that cris eval wrote with --out."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder to make: index.html, pictures/ and layers/."""
    data: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: where it was)")
    ] = None
    """Data set that was measured on, should it have been moved."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the page and the number of samples as JSON, and nothing else."""
    overwrite: bool = False
    """Replace a report on other results in DIR."""

    def run(self) -> int:
        """Read, draw and write."""
        from cris.cli.console import show
        from cris.evaluation.report.page import write_report
        from cris.evaluation.report.selection import illustrated
        from cris.progress import track

        results = read_results(self.results)
        self._check_free(results.record["fingerprint"])
        evaluation, dataset = results.evaluation(), results.dataset(self.data)
        with atomic_files(self.out, last=[PAGE]) as folder:
            drawing = write_report(folder, _subject(results), evaluation, dataset)
            for _ in track(drawing, total=len(illustrated(evaluation.rows)), what="images"):
                pass
        if self.as_json:
            page = {"page": str(self.out / PAGE), "count": len(evaluation.rows)}
            sys.stdout.write(to_json(page))
            return 0
        show(f"Look at {self.out / PAGE}")
        return 0

    def _check_free(self, fingerprint: str) -> None:
        check_folder(self.out)
        if is_unused(self.out):
            return
        page = self.out / PAGE
        text = page.read_text(encoding="utf-8", errors="replace") if page.is_file() else ""
        if MARK not in text:
            raise InputError(f"{self.out} holds other files than a report: choose another --out")
        if fingerprint not in text and not self.overwrite:
            raise InputError(
                f"{self.out} holds a report on other results: choose another --out, or pass --overwrite"
            )


def _subject(results: "Results") -> "Subject":
    from cris.evaluation.report.page import Subject
    from cris.registry import model_title

    record = results.record
    facts = [
        f"threshold {record['threshold']:g}",
        f"input {record['input_size']} × {record['input_size']}",
        f"{record['protocol']} protocol",
        f"measured with cris {record['identity']['version'][0]}",
    ]
    if record["limit"] is not None:
        facts.insert(0, f"the first {record['limit']:,} samples only")
    return Subject(
        model=model_title(record["model"]),
        data=Path(record["data"]).name,
        split=record["split"],
        facts=tuple(facts),
        fingerprint=record["fingerprint"],
    )
