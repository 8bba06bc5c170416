"""`cris calibrate`: make scores the chance of a good mask, and measure how far they can be trusted."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.table import Table

from cris.cli.console import progress, show
from cris.cli.errors import UsageError
from cris.jobs import Job, model_sha256, to_json, write_record, written_together

if TYPE_CHECKING:
    from cris.calibration import Calibration
    from cris.studies.calibration import Reliability

PLOT = "calibration.svg"


@dataclass(frozen=True, kw_only=True)
class Command:
    """Make scores the chance that a mask is good (IoU above 0.5), and store that in the model's folder.

    With --check nothing is fitted or stored, and the scores are measured as they are: best on another split
    than the one they were fitted on.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """Checkpoint folder; with --check also a registered name."""
    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DIR|scenes")]
    """Data set (see cris data), or scenes, rendered on the fly."""
    split: str = "val"
    """Split to use; no figure that is published should come from it."""
    limit: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: all)")] = None
    """Use the first N samples only; a sample is a sentence about an image."""
    check: bool = False
    """Only measure."""
    out: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: nothing is written)")
    ] = None
    """Folder for results.json and calibration.svg."""
    device: str = "auto"
    """Device: cpu, cuda, cuda:1, mps; auto takes the fastest that is there."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the content of results.json, and nothing else."""
    overwrite: bool = False
    """Replace the results of another job in DIR."""

    def run(self) -> int:
        """Measure, fit, store and report."""
        import numpy as np

        from cris.data.open import open_dataset
        from cris.registry import REGISTRY, resolve
        from cris.segmenter import Segmenter
        from cris.studies.calibration import answers, fit, reliability, store_calibration

        if self.model in REGISTRY and not self.check:
            raise UsageError(f"a calibration changes the model: name a folder of yours, not {self.model}")
        dataset = open_dataset(self.data, self.split, self.limit)
        folder = resolve(self.model)
        job = Job("calibrate", {"model": model_sha256(folder), "data": dataset.identity, "check": self.check})
        if self.out is not None:
            job.check_free(self.out, [PLOT], overwrite=self.overwrite)
        segmenter = Segmenter.from_pretrained(folder, self.device)
        asked = progress(dataset.images(), total=dataset.image_count, what="pictures")
        scores, is_good = answers(segmenter, asked, is_raw=not self.check)
        calibration = segmenter.inference.calibration
        before = None
        if not self.check:
            before = reliability(scores, is_good)
            calibration = fit(scores, is_good)
            scores = np.array([calibration(score) for score in scores.tolist()])
        measured = reliability(scores, is_good)
        record = self._record(job, calibration, measured, before)
        if self.out is not None:
            self._write(self.out, record, measured)
        if not self.check:
            store_calibration(folder, calibration)
        if self.as_json:
            sys.stdout.write(to_json(record))
        else:
            self._tell(measured, before)
        return 0

    def _record(
        self, job: Job, calibration: "Calibration", measured: "Reliability", before: "Reliability | None"
    ) -> dict[str, Any]:
        return job.record(
            [PLOT],
            model=self.model,
            data=self.data,
            split=self.split,
            calibration=asdict(calibration),
            ece_before=None if before is None else before.ece,
            **measured.to_dict(),
        )

    def _write(self, out: Path, record: dict[str, Any], measured: "Reliability") -> None:
        from cris.studies.charts import draw_calibration

        with written_together(out) as folder:
            (folder / PLOT).write_text(draw_calibration(measured), encoding="utf-8")
            write_record(folder, record)

    def _tell(self, measured: "Reliability", before: "Reliability | None") -> None:
        table = Table("scores", title=f"{measured.count:,} answers", title_justify="left")
        for header in ("answers", "mean score", "good masks"):
            table.add_column(header, justify="right")
        for one in measured.bins:
            table.add_row(
                f"{one.low:.1f} to {one.high:.1f}",
                f"{one.count:,}",
                f"{one.mean_score:.3f}",
                f"{one.good:.3f}",
            )
        show(table)
        was = "" if before is None else f" (before: {before.ece:.3f})"
        show(f"expected calibration error {measured.ece:.3f}{was}; mean risk {measured.area:.3f}")
        if not self.check:
            show(f"stored in {self.model}; measure it on another split with --check")
