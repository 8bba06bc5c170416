"""`cris calibrate`: make scores the chance of a good mask, and measure how far they can be trusted."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from cris.cli.console import report, show


@dataclass(frozen=True, kw_only=True)
class Command:
    """Make scores the chance that a mask is good (IoU above 0.5), and store that in the model's folder.

    With --check nothing is fitted or stored, and the scores are measured as they are: best on another split
    than the one they were fitted on.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """Checkpoint folder, here or as --model; with --check also a registered name."""
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
        from cris.studies import calibrate

        found = calibrate(
            self.model,
            self.data,
            split=self.split,
            limit=self.limit,
            check=self.check,
            out=self.out,
            device=self.device,
            overwrite=self.overwrite,
        )
        report(found, as_json=self.as_json)
        if not (self.check or self.as_json):
            show(f"stored in {self.model}; measure it on another split with --check")
        return 0
