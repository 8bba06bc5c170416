"""Occlusion study: mean IoU by the visible share of the target."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from cris.data.dataset import Dataset
from cris.data.open import open_dataset
from cris.data.rendered import SceneDataset
from cris.data.subset import whole_of
from cris.evaluation.ask import measure
from cris.jobs import Job, model_sha256, write_record, written_together
from cris.progress import track
from cris.registry import resolve
from cris.segmenter import Segmenter
from cris.studies.charts import draw_levels
from cris.studies.occluders import (
    NAMES,
    VISIBLE_EDGES,
    Level,
    Place,
    check_share,
    covered,
    covered_scenes,
    level,
)
from cris.tables import TextTable, html

PLOT = "occlusion.svg"


@dataclass(frozen=True, kw_only=True)
class OcclusionLevels:
    """Figures by the visible share of the target, for each way in which it is hidden."""

    levels: Mapping[str, Sequence[Level]]
    """Figures with patches `on` the target and `beside` it; of scenes also covered by other objects."""
    record: Mapping[str, Any]
    """Content of results.json."""

    @property
    def table(self) -> TextTable:
        """Return a row for each level."""
        return TextTable(
            title="What shows of the target",
            columns=("", "visible share", "samples", "mean IoU", "95 %", "Pr@50"),
            rows=[_cells(name, one) for name, several in self.levels.items() for one in several],
            names=2,
        )

    def plot(self) -> str:
        """Return mean IoU over the visible share, as SVG."""
        return draw_levels({NAMES[name]: several for name, several in self.levels.items()})

    def __rich__(self) -> TextTable:
        """Return the table."""
        return self.table

    def __str__(self) -> str:
        """Return the table as text."""
        return str(self.table)

    def _repr_html_(self) -> str:
        return html(self.plot(), self.table)


def occlusion(
    model: str | Path,
    data: str | Path,
    *,
    split: str = "test",
    limit: int = 300,
    hide: Sequence[float] = (0.1, 0.25, 0.5, 0.75),
    seed: int = 0,
    out: str | Path | None = None,
    device: str = "auto",
    overwrite: bool = False,
    progress: bool = True,
) -> OcclusionLevels:
    """Measure masks by the visible share of the target.

    Patches of other images are pasted over known shares of each target, and, to tell what patches alone do,
    the same ones beside it. Scenes are also measured with targets that other objects cover.

    Args:
        model: registered name or checkpoint folder.
        data: folder of a data set, or "scenes".
        split: split to measure.
        limit: samples to measure for each share, the first ones.
        hide: shares of the target that patches hide, above 0 and below 1.
        seed: another one gives other patches.
        out: folder for results.json and occlusion.svg; None writes nothing.
        device: cpu, cuda, cuda:1, mps; auto takes the fastest that is there.
        overwrite: replace the results of another job in `out`.
        progress: show progress bars on stderr.

    Raises:
        InputError: a share, the model or the data cannot be used, or `out` holds something else.
    """
    for share in hide:
        check_share(share)
    dataset = open_dataset(data, split, limit)
    folder = resolve(model)
    options = (limit, tuple(hide), seed)
    job = Job("occlusion", {"model": model_sha256(folder), "data": dataset.identity, "options": options})
    if out is not None:
        job.check_free(Path(out), [PLOT], overwrite=overwrite)
    measuring = _Measuring(Segmenter.from_pretrained(folder, device), is_shown=progress)
    levels = dict(measuring.patched(dataset, sorted(hide), seed))
    if isinstance(whole_of(dataset), SceneDataset):
        levels["scenes"] = list(measuring.covered_by_others(split, limit))
    record = job.record(
        [PLOT],
        model=str(model),
        data=str(data),
        split=split,
        **{name: [one.to_dict() for one in several] for name, several in levels.items()},
    )
    found = OcclusionLevels(levels=levels, record=record)
    if out is not None:
        with written_together(Path(out)) as partial:
            (partial / PLOT).write_text(found.plot(), encoding="utf-8")
            write_record(partial, record)
    return found


@dataclass(frozen=True)
class _Measuring:
    """Measurement of levels, with or without progress bars."""

    segmenter: Segmenter
    is_shown: bool

    def patched(
        self, dataset: Dataset, shares: Sequence[float], seed: int
    ) -> Iterator[tuple[str, list[Level]]]:
        """Yield the levels with patches on and beside the target, the most hidden first."""
        total = len(dataset)
        rows = measure(self.segmenter, dataset.images())
        whole = list(track(rows, total=total, what="nothing hidden", is_shown=self.is_shown))
        unhidden = level([row for row in whole if not row.is_no_target], 1.0, 1.0)
        words: dict[Place, str] = {"on": "hidden", "beside": "beside"}
        for place, word in words.items():
            found = [unhidden]
            for share in shares:
                rows = measure(self.segmenter, covered(dataset, share, place, seed=seed))
                what = f"{share:g} {word}"
                if measured := list(track(rows, total=total, what=what, is_shown=self.is_shown)):
                    found.append(level(measured, 1 - share, 1 - share))
            yield place, found[::-1]

    def covered_by_others(self, split: str, limit: int) -> Iterator[Level]:
        """Yield the levels of scenes whose targets other objects cover."""
        for low, high in pairwise(VISIBLE_EDGES):
            scenes = covered_scenes(split, low, high, limit)
            rows = measure(self.segmenter, scenes.images())
            what = f"{low:g} to {high:g} visible"
            yield level(list(track(rows, total=len(scenes), what=what, is_shown=self.is_shown)), low, high)


def _cells(name: str, one: Level) -> tuple[str, ...]:
    share = f"{one.low:g}" if one.low == one.high else f"{one.low:g} to {one.high:g}"
    ends = "–" if one.interval is None else f"{one.interval[0]:.3f} to {one.interval[1]:.3f}"
    return NAMES[name], share, f"{one.count:,}", f"{one.mean_iou:.3f}", ends, f"{one.pr50:.3f}"
