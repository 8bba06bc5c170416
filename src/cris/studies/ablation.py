"""Ablation of the paper (CRIS, table 3): the projector and the decoder, left out one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image
from rich.text import Text

from cris.data.dataset import Dataset
from cris.data.open import open_dataset
from cris.evaluation.bootstrap import Interval
from cris.evaluation.metrics import Summary, headlines
from cris.evaluation.row_files import read_rows
from cris.evaluation.rows import Row
from cris.evaluation.saved import evaluate_to
from cris.jobs import RECORD, Job, begin_experiment, write_record, written_together
from cris.model.encoders import OwnImageEncoder
from cris.pages import data_uri
from cris.registry import resolve
from cris.studies.stages import TrainingStage
from cris.training.figures import MaskExample, draw_sheet
from cris.training.loss import Loss
from cris.training.recipe_choice import Recipe, data_of, is_named, options_of
from cris.training.recipes import ablation_rows
from cris.training.train import configured

TABLE, FIGURE = "ablation.md", "figure.jpg"
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


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One row of the table."""

    row: str
    total: Summary
    interval: Interval | None
    """95 % interval of the mean IoU; None with a single image."""


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """Rows of the ablation, measured."""

    rows: Sequence[Measured]
    """Figures of each row, in the paper's order."""
    markdown: str
    """Table of the rows beside the paper's, as Markdown."""
    figure: Image.Image
    """Masks that the rows find in the same images."""
    record: Mapping[str, Any]
    """Content of results.json."""

    def __rich__(self) -> Text:
        """Return the table."""
        return Text(self.markdown)

    def __str__(self) -> str:
        """Return the table as Markdown."""
        return self.markdown

    def _repr_html_(self) -> str:
        return f'<pre>{escape(self.markdown)}</pre><img src="{data_uri(self.figure)}">'


def ablate(
    recipe: Recipe,
    *,
    data: str | Path | None = None,
    out: str | Path,
    split: str = "val",
    limit: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    start: str | Path = "",
    losses: Sequence[Loss] = (),
    image_encoder: OwnImageEncoder | None = None,
    progress: bool = True,
    **overrides: object,
) -> Ablation:
    """Train and measure the seven rows of the paper's ablation: without and with its projector and decoder.

    Args:
        recipe: recipe that the rows vary.
        data: folder of a data set to train and measure on, or "scenes"; recipes of scenes need none.
        out: folder of the experiment: a folder for each row, with its run and its results; ablation.md, the
            table beside the paper's, figure.jpg and results.json.
        split: split to measure on.
        limit: measure on the first samples only; None takes all.
        resume: go on with the experiment in `out` where it was interrupted.
        overwrite: remove an earlier experiment in `out` first.
        start: weights to begin with, as for `cris.train`.
        losses: additional terms of the loss, as for `cris.train`.
        image_encoder: in place of the recipe's, as for `cris.train`.
        progress: show progress on stderr.
        **overrides: fields of the configuration that differ from the recipe's, as for `cris.train`.

    Raises:
        UsageError: there is no such recipe or field, or a value makes no sense.
        InputError: the data or the weights cannot be used, or `out` holds something else.
    """
    base = configured(recipe, start=start, losses=losses, **overrides)
    folder = Path(out)
    (source,) = data_of(data or (), base.recipe)
    parts = [*ablation_rows(base), TABLE, FIGURE, RECORD]
    begin_experiment(folder, parts, is_resumed=resume, overwrite=overwrite)
    results = {}
    rows = []
    for row, config in ablation_rows(base).items():
        run, results[row] = folder / row / "run", folder / row / "results"
        stage = TrainingStage(
            config=config,
            data=[source],
            out=run,
            losses=losses,
            image_encoder=image_encoder,
            progress=progress,
        )
        stage.run()
        evaluation = evaluate_to(
            results[row],
            resolve(run),
            open_dataset(source, split, limit),
            model=str(run),
            data=source,
            split=split,
            limit=limit,
            resume=True,
            overwrite=True,
            progress=progress,
        )
        interval = evaluation.intervals.get("mean_iou")
        rows.append(Measured(row=row, total=evaluation.total, interval=interval))
    text = table(rows, data=source, split=split, recipe=base.recipe)
    drawn = figure(open_dataset(source, split, limit), results)
    options = options_of(base) if is_named(base) else []
    figures = {one.row: one.total.to_dict() for one in rows}
    job = Job("ablate", {"recipe": base.recipe, "options": options, "rows": figures})
    record = job.record(
        [TABLE, FIGURE], recipe=base.recipe, options=options, data=source, split=split, rows=figures
    )
    with written_together(folder) as partial:
        (partial / TABLE).write_text(text, encoding="utf-8")
        drawn.save(partial / FIGURE, quality=90)
        write_record(partial, record)
    return Ablation(rows=rows, markdown=text, figure=drawn, record=record)


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


def _shown(dataset: Dataset, rows: Mapping[str, list[Row]], place: int) -> MaskExample:
    sample = dataset[rows["both-3"][place].sample]
    return MaskExample(
        image=sample.image,
        sentence=sample.sentence,
        truth=sample.mask,
        found={name: rows[row][place].mask for row, name in DRAWN.items()},
    )
