"""`cris data check`: read everything of a data set again."""

import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from cris.data.inspection.findings import Finding

_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Command:
    """Read everything of a data set again: files, images, masks, sentences, splits.

    Ends with 1 when something is broken. What is only doubtful, such as one sentence on two objects, is told
    and ends with 0.
    """

    data: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")]
    """Data set to check."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print every finding as one JSON object, and nothing else."""

    def run(self) -> int:
        """Check, and print the findings."""
        from cris.data.inspection.check import check_dataset
        from cris.data.inspection.findings import ERROR
        from cris.data.store.reading import StoredDataset
        from cris.jobs import to_json
        from cris.progress import track

        dataset = StoredDataset(self.data)
        findings = check_dataset(dataset, lambda records: track(records, total=len(dataset), what="images"))
        if self.as_json:
            content = {
                "data": str(self.data),
                "remarks": dataset.manifest.source.remarks,
                "findings": [asdict(finding) for finding in findings],
            }
            sys.stdout.write(to_json(content))
        else:
            _tell(dataset.manifest.source.remarks, findings)
        return int(any(finding.severity == ERROR for finding in findings))


def _tell(remarks: Sequence[str], findings: "list[Finding]") -> None:
    from cris.cli.console import show
    from cris.data.inspection.findings import CHECKS

    for remark in remarks:
        show(f"remark: {remark}")
    found = defaultdict(list)
    for finding in findings:
        found[finding.check].append(finding)
    for check, what in CHECKS.items():
        show(f"{check}: {f'{len(found[check]):,} found' if found[check] else 'ok'} ({what})")
        for finding in found[check][:_SHOWN]:
            show(f"  {finding.severity}: {finding.where}: {finding.what}")
        if len(found[check]) > _SHOWN:
            show(f"  … and {len(found[check]) - _SHOWN:,} more, which --json lists")
