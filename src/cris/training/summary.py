"""Summary of a run as summary.md and summary.html: figures, curves, the newest sheet of masks."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from cris.environment import in_one_line
from cris.errors import InputError
from cris.evaluation.metrics import METRICS, headlines
from cris.files import atomic_file
from cris.pages import fill
from cris.plotting import for_page
from cris.training.curves import Points, draw_curves
from cris.training.loggers import METRICS_FILE, SHEETS, read_metrics
from cris.training.loss import TERMS

CURVES = "curves"
"""Folder of the drawings that summary.md shows; summary.html holds them itself."""
IOUS = ("mean_iou", "overall_iou", "ceiling")
"""Metrics of validations that are drawn."""
_VALIDATION = "validation_"

Line = Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSummary:
    """Contents of both files."""

    title: str
    facts: Sequence[tuple[str, str]]
    """Most important facts: name and value."""
    curves: Mapping[str, tuple[str, str]]
    """File name → title and SVG file."""
    columns: Sequence[str]
    """Columns of the validation table, after the step."""
    rows: Sequence[tuple[int, bool, Sequence[str]]]
    """Rows of the validation table: step, true if it is the best, and a cell for each column."""
    sheet: Path | None
    """Newest sheet of masks."""
    config: Sequence[tuple[str, str]]
    """Dotted name and value of every option."""


def write_summary(out: Path) -> None:
    """Write summary.md, summary.html and curves/ from `metrics.jsonl`, `config.json` and the sheets.

    Raises:
        InputError: the folder is not a run's, or nothing is measured yet.
        OSError: a file cannot be read or written.
    """
    if not (out / METRICS_FILE).is_file() or not (out / "config.json").is_file():
        raise InputError(f"{out} must be the folder of a run, with {METRICS_FILE} and config.json")
    lines = read_metrics(out / METRICS_FILE)
    if not lines:
        raise InputError(f"{out / METRICS_FILE} holds no figures yet: let the run go on first")
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    summary = summarise_run(out, config, lines)
    (out / CURVES).mkdir(exist_ok=True)
    for name, (_, drawing) in summary.curves.items():
        _write(out / CURVES / name, drawing)
    _write(out / "summary.md", _render("training/summary.md.jinja", summary, out))
    _write(out / "summary.html", _render("training/summary.html", summary, out))


def summarise_run(out: Path, config: Mapping[str, Any], lines: Sequence[Line]) -> TrainingSummary:
    """Return the summary of a run's configuration and the lines of its metrics."""
    options = list(flat({name: value for name, value in config.items() if name != "environment"}))
    validations = [line for line in lines if line.get("validation_mean_iou") is not None]
    best = max(validations, key=lambda line: line["validation_mean_iou"] or 0, default=None)
    figures = {
        name.removeprefix(_VALIDATION): value
        for line in validations
        for name, value in line.items()
        if name.startswith(_VALIDATION)
    }
    columns = headlines(figures)
    sheets = sorted((out / SHEETS).glob("step-*.jpg"))
    return TrainingSummary(
        title=f"{config.get('recipe', 'training')}: {out.resolve().name}",
        facts=list(_facts(config, lines, best)),
        curves=_curves(lines, ("loss", *TERMS, *config.get("losses", ()))),
        columns=[metric.title for metric in columns],
        rows=[
            (
                int(line["step"] or 0),
                line is best,
                [metric.text(line.get(_VALIDATION + metric.name)) for metric in columns],
            )
            for line in validations
        ],
        sheet=sheets[-1] if sheets else None,
        config=[(name, json.dumps(value)) for name, value in options],
    )


def flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Return dotted name and value of every option, in their order."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _facts(config: Mapping[str, Any], lines: Sequence[Line], best: Line | None) -> Iterator[tuple[str, str]]:
    yield "steps", f"{max(int(line['step'] or 0) for line in lines):,}"
    if best is not None:
        yield "best mean IoU", f"{best['validation_mean_iou']:.3f}, at step {int(best['step'] or 0):,}"
    if (losses := _points(lines, "loss")) and losses[-1]:
        yield "loss", f"{losses[0][1]:.4g} at first, {losses[-1][1]:.4g} at the end"
    if speeds := [value for _, value in _points(lines, "samples_per_second")]:
        yield "samples a second", f"{median(speeds):,.1f}, the median"
    if memory := [value for _, value in _points(lines, "memory_gb")]:
        yield "most memory", f"{max(memory):.2f} GB"
    if environment := config.get("environment"):
        yield "made with", in_one_line(environment)


def _curves(lines: Sequence[Line], losses: Sequence[str]) -> dict[str, tuple[str, str]]:
    names = list(dict.fromkeys(name for line in lines for name in line))
    rates = [name for name in names if name.startswith("learning_rate")]
    measured = [_VALIDATION + name for name in IOUS]
    drawings = {}
    for file, title, chosen, is_log in (
        ("loss.svg", "Loss", losses, False),
        ("validation.svg", "IoU on the validation split", measured, False),
        ("learning-rates.svg", "Learning rates", rates, True),
    ):
        curves = {_spoken(name): points for name in chosen if (points := _points(lines, name))}
        if any(value > 0 for points in curves.values() for _, value in points):
            drawings[file] = title, draw_curves(curves, is_log=is_log)
    return drawings


def _points(lines: Sequence[Line], name: str) -> Points:
    return [(line["step"] or 0, value) for line in lines if (value := line.get(name)) is not None]


def _spoken(name: str) -> str:
    """Turn "validation_mean_iou" into "mean IoU", "learning_rate_head" into "head"."""
    name = name.removeprefix(_VALIDATION).removeprefix("learning_rate_")
    titles = {metric.name: metric.title for metric in METRICS}
    return titles.get(name, name.replace("_", " "))


def _render(template: str, summary: TrainingSummary, out: Path) -> str:
    sheet = summary.sheet
    return fill(
        template,
        it=summary,
        sheet_file=None if sheet is None else sheet.relative_to(out).as_posix(),
        sheet_step=None if sheet is None else int(sheet.stem.removeprefix("step-")),
        sheet_data=None if sheet is None else base64.b64encode(sheet.read_bytes()).decode("ascii"),
        curves_folder=CURVES,
        drawings=[(title, for_page(drawing)) for title, drawing in summary.curves.values()],
    )


def _write(file: Path, text: str) -> None:
    with atomic_file(file) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")
