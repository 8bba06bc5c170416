"""Page of a report: figures, plots, failures, and a table and gallery to sort and filter."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from markupsafe import Markup

from cris.data.dataset import Dataset
from cris.evaluation.failures import MEANINGS
from cris.evaluation.report.images import EXTRA_RGB, MISSED_RGB, SHARED_RGB, draw_images
from cris.evaluation.report.plots import TITLES, plots
from cris.evaluation.report.selection import IMAGES_EACH, ReportView, illustrated, views
from cris.evaluation.results import Evaluation
from cris.evaluation.rows import Row
from cris.pages import fill
from cris.plotting import for_page

PAGE = "index.html"
COLUMNS = (
    *("sample", "picture", "picture_id", "sentence", "kind", "category", "words", "distractors"),
    *("area", "iou", "score", "ambiguity", "failure", "best_other_iou", "is_drawn"),
)
"""Columns of the page's table, in this order."""


@dataclass(frozen=True, slots=True)
class Headline:
    """Figure at the top, as it is shown."""

    name: str
    meaning: str
    value: str
    interval: str
    """Interval; empty when there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Subject of the report, in words."""

    model: str
    """Name of the model."""
    data: str
    """Name of the data set."""
    split: str
    """Part of the data set that was measured on."""
    facts: tuple[str, ...]
    """Short facts for the line below the title: threshold, protocol, …"""
    fingerprint: str
    """Fingerprint of the results, so that a report knows what it is on."""


def write_report(folder: Path, subject: Subject, evaluation: Evaluation, dataset: Dataset) -> Iterator[None]:
    """Write index.html, pictures/ and layers/; yield once for each sample that is drawn.

    Raises:
        InputError: an image cannot be read any more.
    """
    drawn = set()
    for sample in draw_images(folder, dataset, illustrated(evaluation.rows)):
        drawn.add(sample)
        yield
    (folder / PAGE).write_text(render(subject, evaluation, drawn), encoding="utf-8")


def render(subject: Subject, evaluation: Evaluation, drawn: set[int]) -> str:
    """Return the page; what users wrote is escaped, and scripts other than ours are forbidden."""
    script = _text("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return fill(
        "evaluation/report/report.html",
        subject=subject,
        script=Markup(script),
        script_sha256=digest,
        style=Markup(_text("report.css")),
        colours={"shared": SHARED_RGB, "extra": EXTRA_RGB, "missed": MISSED_RGB},
        headlines=headlines(evaluation),
        pictures=len({row.picture_id for row in evaluation.rows}),
        total=evaluation.total,
        failures=_failures(evaluation),
        plots={name: Markup(for_page(svg)) for name, svg in plots(evaluation).items()},
        titles=TITLES,
        each=IMAGES_EACH,
        drawn=len(drawn),
        views=[_view_dict(view) for view in views(evaluation.rows)],
        table={"columns": COLUMNS, "rows": [_table_row(row, drawn) for row in evaluation.rows]},
    )


def headlines(evaluation: Evaluation) -> list[Headline]:
    """Return the figures at the top; those of sentences that mean nothing only where there are some."""
    found = []
    for metric in evaluation.headlines:
        value, interval = evaluation.total[metric.name], evaluation.intervals.get(metric.name)
        if value is not None:
            ends = () if interval is None else (metric.text(interval.low), metric.text(interval.high))
            found.append(Headline(metric.title, metric.meaning, metric.text(value), " – ".join(ends)))
    return found


def _failures(evaluation: Evaluation) -> list[dict[str, Any]]:
    return [
        {"name": name, "meaning": meaning, "count": evaluation.failures.get(name, 0)}
        for name, meaning in MEANINGS.items()
        if name in evaluation.failures
    ]


def _view_dict(view: ReportView) -> dict[str, Any]:
    return {
        "name": view.name,
        "meaning": view.meaning,
        "sort": view.sort,
        "descending": view.is_descending,
        "filters": view.filters,
    }


def _table_row(row: Row, drawn: set[int]) -> list[Any]:
    values = {
        **{name: getattr(row, name) for name in COLUMNS if name not in ("area", "is_drawn")},
        "area": row.true_area / (row.height * row.width),
        "is_drawn": row.sample in drawn,
    }
    return [round(one, 4) if isinstance(one, float) else one for one in map(values.__getitem__, COLUMNS)]


def _text(name: str) -> str:
    return (files("cris.evaluation.report") / name).read_text(encoding="utf-8")
