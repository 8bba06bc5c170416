"""Ablation of the paper (CRIS, table 3): the projector and the decoder, left out one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from cris.data.dataset import Dataset
from cris.evaluation.bootstrap import Interval
from cris.evaluation.metrics import Summary, headlines
from cris.evaluation.row_files import read_rows
from cris.evaluation.rows import Row
from cris.training.config import TrainConfig, flat
from cris.training.sheet import Shown, draw_sheet

PAPER_MEAN_IOU: Mapping[str, float | None] = {
    "neither": 0.6266,
    "contrastive": 0.6464,
    "decoder-1": 0.6631,
    "both-1": None,  # two figures of the paper that nobody here has seen in it
    "both-2": None,
    "both-3": 0.6952,
    "both-4": 0.6918,
}
"""Row → mean IoU on RefCOCO val with RN50, as the paper gives it."""
IN_WORDS: Mapping[str, str] = {
    "neither": "neither",
    "contrastive": "contrastive projector only",
    "decoder-1": "decoder only, 1 layer",
    **{f"both-{layers}": f"both, {layers} layer{'s' if layers > 1 else ''}" for layers in (1, 2, 3, 4)},
}
DRAWN: Mapping[str, str] = {
    "neither": "baseline",
    "decoder-1": "without contrastive",
    "contrastive": "without decoder",
    "both-3": "full",
}
"""Rows of the qualitative figure, in its order."""


def options(base: TrainConfig, row: TrainConfig) -> list[str]:
    """Return the options that turn `cris train` with the recipe of `base` into a run of `row`."""
    ours, theirs = flat(row), flat(base)
    changed = [name for name in ours if ours[name] != theirs[name] and name != "recipe"]
    return [word for name in changed for word in (f"--{name.replace('_', '-')}", str(ours[name]))]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One row of the table."""

    row: str
    total: Summary
    interval: Interval | None
    """95 % interval of the mean IoU; None with a single image."""


def table(rows: Sequence[Measured], *, data: str, split: str, recipe: str) -> str:
    """Return the rows beside the paper's, as Markdown."""
    first, *others = headlines(rows[0].total.figures)
    lines = [
        f"# Ablation: {recipe} on {data}, {split}",
        "",
        f"{rows[0].total.count:,} samples. The paper's figures are of RefCOCO val with RN50: what can be "
        "compared is the order of the rows, not the figures.",
        "",
        f"| parts | {first.title} | 95 % interval | {' | '.join(one.title for one in others)} | paper |",
        "|---" * (len(others) + 4) + "|",
    ]
    for one in rows:
        paper = PAPER_MEAN_IOU[one.row]
        cells = [
            IN_WORDS[one.row],
            first.text(one.total[first.name]),
            "–" if one.interval is None else f"{one.interval.low:.3f} to {one.interval.high:.3f}",
            *(metric.text(one.total[metric.name]) for metric in others),
            "–" if paper is None else f"{paper:.4f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def figure(dataset: Dataset, folders: Mapping[str, Path]) -> Image.Image:
    """Return a figure of what the rows of `DRAWN` find beside what is meant: the first sample of each kind.

    Args:
        dataset: what was measured on.
        folders: row → its results.
    """
    rows = {row: read_rows(folders[row]) for row in DRAWN}
    firsts: dict[str, int] = {}
    for place, one in enumerate(rows["both-3"]):
        firsts.setdefault(one.kind, place)
    return draw_sheet([_shown(dataset, rows, place) for place in sorted(firsts.values())])


def _shown(dataset: Dataset, rows: Mapping[str, list[Row]], place: int) -> Shown:
    sample = dataset[rows["both-3"][place].sample]
    return Shown(
        image=sample.image,
        sentence=sample.sentence,
        truth=sample.mask,
        found={name: rows[row][place].mask for row, name in DRAWN.items()},
    )
