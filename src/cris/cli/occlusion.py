"""`cris occlusion`: loss of mask quality when part of the target is hidden."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from cris.cli.console import report


@dataclass(frozen=True, kw_only=True)
class Command:
    """Measure masks by the visible share of the target.

    The stress test pastes patches of other images over known shares of each target, and, to tell what the
    patches alone do, the same ones beside it. Scenes are also measured as they are, with targets that other
    objects cover. All figures are shares of 1; intervals are 95 %, resampled by image.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """Registered name or checkpoint folder, here or as --model."""
    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DIR|scenes")]
    """Data set (see cris data), or scenes, rendered on the fly."""
    split: str = "test"
    """Split to measure."""
    limit: Annotated[int, tyro.conf.arg(metavar="N")] = 300
    """Samples to measure for each share, the first N; a sample is a sentence about an image."""
    hide: Annotated[tuple[float, ...], tyro.conf.arg(metavar="SHARE")] = (0.1, 0.25, 0.5, 0.75)
    """Shares of the target that patches hide, above 0 and below 1."""
    seed: int = 0
    """Seed; another one gives other patches."""
    out: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: nothing is written)")
    ] = None
    """Folder for results.json and occlusion.svg."""
    device: str = "auto"
    """Device: cpu, cuda, cuda:1, mps; auto takes the fastest that is there."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the content of results.json, and nothing else."""
    overwrite: bool = False
    """Replace the results of another job in DIR."""

    def run(self) -> int:
        """Measure, write and report."""
        from cris.studies import occlusion

        found = occlusion(
            self.model,
            self.data,
            split=self.split,
            limit=self.limit,
            hide=self.hide,
            seed=self.seed,
            out=self.out,
            device=self.device,
            overwrite=self.overwrite,
        )
        report(found, as_json=self.as_json)
        return 0
