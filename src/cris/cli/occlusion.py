"""`cris occlusion`: loss of mask quality when part of the target is hidden."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.table import Table

from cris.cli.console import progress, show
from cris.jobs import Job, model_sha256, to_json, write_record, written_together

if TYPE_CHECKING:
    from cris.data.dataset import Dataset
    from cris.segmenter import Segmenter
    from cris.studies.occluders import Level

PLOT = "occlusion.svg"


@dataclass(frozen=True, kw_only=True)
class Command:
    """Measure masks by the visible share of the target.

    The stress test pastes patches of other images over known shares of each target, and, to tell what the
    patches alone do, the same ones beside it. Scenes are also measured as they are, with targets that other
    objects cover. All figures are shares of 1; intervals are 95 %, resampled by image.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """Registered name or checkpoint folder."""
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
        from cris.data.open import open_dataset
        from cris.registry import resolve
        from cris.segmenter import Segmenter
        from cris.studies.occluders import check_share

        for share in self.hide:
            check_share(share)
        dataset = open_dataset(self.data, self.split, self.limit)
        folder = resolve(self.model)
        options = (self.limit, self.hide, self.seed)
        job = Job("occlusion", {"model": model_sha256(folder), "data": dataset.identity, "options": options})
        if self.out is not None:
            job.check_free(self.out, [PLOT], overwrite=self.overwrite)
        segmenter = Segmenter.from_pretrained(folder, self.device)
        levels = dict(self._levels(segmenter, dataset))
        record = job.record(
            [PLOT],
            model=self.model,
            data=self.data,
            split=self.split,
            **{name: [one.to_dict() for one in several] for name, several in levels.items()},
        )
        if self.out is not None:
            self._write(self.out, record, levels)
        if self.as_json:
            sys.stdout.write(to_json(record))
        else:
            show(_table(levels))
        return 0

    def _levels(self, segmenter: "Segmenter", dataset: "Dataset") -> "Iterator[tuple[str, list[Level]]]":
        from cris.data.rendered import SceneDataset
        from cris.data.subset import whole_of
        from cris.evaluation.ask import measure
        from cris.studies.occluders import VISIBLE_EDGES, covered, covered_scenes, level

        whole = progress(measure(segmenter, dataset.images()), total=len(dataset), what="nothing hidden")
        unhidden = level([row for row in whole if not row.is_no_target], 1.0, 1.0)
        for place in ("on", "beside"):
            found = [unhidden]
            for share in sorted(self.hide):
                what = f"{share:g} hidden" if place == "on" else f"{share:g} beside"
                rows = measure(segmenter, covered(dataset, share, place, seed=self.seed))
                measured = list(progress(rows, total=len(dataset), what=what))
                if measured:
                    found.append(level(measured, 1 - share, 1 - share))
            yield place, found[::-1]
        if isinstance(whole_of(dataset), SceneDataset):
            classes = []
            for low, high in pairwise(VISIBLE_EDGES):
                scenes = covered_scenes(self.split, low, high, self.limit)
                rows = measure(segmenter, scenes.images())
                what = f"{low:g} to {high:g} visible"
                classes.append(level(list(progress(rows, total=len(scenes), what=what)), low, high))
            yield "scenes", classes

    def _write(self, out: Path, record: dict[str, Any], levels: "dict[str, list[Level]]") -> None:
        from cris.studies.charts import draw_levels
        from cris.studies.occluders import NAMES

        with written_together(out) as folder:
            plot = draw_levels({NAMES[name]: several for name, several in levels.items()})
            (folder / PLOT).write_text(plot, encoding="utf-8")
            write_record(folder, record)


def _table(levels: "dict[str, list[Level]]") -> Table:
    from cris.studies.occluders import NAMES

    table = Table("", "visible share", title="What shows of the target", title_justify="left")
    for header in ("samples", "mean IoU", "95 %", "Pr@50"):
        table.add_column(header, justify="right")
    for name, several in levels.items():
        for one in several:
            share = f"{one.low:g}" if one.low == one.high else f"{one.low:g} to {one.high:g}"
            ends = "–" if one.interval is None else f"{one.interval[0]:.3f} to {one.interval[1]:.3f}"
            table.add_row(
                NAMES[name], share, f"{one.count:,}", f"{one.mean_iou:.3f}", ends, f"{one.pr50:.3f}"
            )
    return table
