"""Table of many evaluations beside the paper's figures, as Markdown or LaTeX."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cris.errors import InputError
from cris.evaluation.metrics import METRICS, Metric, metric_named
from cris.evaluation.paper import MEAN_IOU, TITLES, family_name
from cris.registry import model_title

Column = tuple[str, str]
"""Data set and split; the data set is a key of TITLES, or the name of its folder."""
_IN_PART, _NOT_PUBLISHED = "†", "‡"
_PAPER_COLUMNS = list(MEAN_IOU["RN50"])


@dataclass(frozen=True, slots=True, kw_only=True)
class TableEntry:
    """One evaluation on its way into a table."""

    record: Mapping[str, Any]
    """Record of `cris eval`."""
    name: str | None = None
    """Name for its model; None: as the record has it."""
    folder: str = ""
    """Folder of the results; tells models of one name apart."""


@dataclass(frozen=True, slots=True)
class ResultsRow:
    """Model, and its figure on each data set and split."""

    name: str
    cells: Mapping[Column, str]


@dataclass(frozen=True, slots=True)
class ResultsTable:
    """Lines of figures, those of the paper first."""

    columns: Sequence[Column]
    lines: Sequence[ResultsRow]
    remarks: Sequence[str]

    def markdown(self) -> str:
        """Return a table in Markdown."""
        headers = ["", *(f"{_title(data)} {split}" for data, split in self.columns)]
        rows = [headers, ["---", *("---:" for _ in self.columns)], *map(self._cells, self.lines)]
        lines = ["| " + " | ".join(_markdown(cell) for cell in row) + " |" for row in rows]
        return "\n".join([*lines, "", *map(_markdown, self.remarks)]) + "\n"

    def latex(self) -> str:
        """Return a tabular in LaTeX, for the package booktabs."""
        headers = ["", *(f"{_title(data)} {split}" for data, split in self.columns)]
        lines = [" & ".join(map(_latex, self._cells(line))) + r" \\" for line in self.lines]
        return "\n".join(
            [
                *(f"% {remark}" for remark in self.remarks),
                rf"\begin{{tabular}}{{l{'r' * len(self.columns)}}}",
                r"\toprule",
                " & ".join(map(_latex, headers)) + r" \\",
                r"\midrule",
                *lines,
                r"\bottomrule",
                r"\end{tabular}",
                "",
            ]
        )

    def _cells(self, line: ResultsRow) -> list[str]:
        return [line.name, *(line.cells.get(column, "–") for column in self.columns)]


def make_table(
    runs: Iterable[TableEntry], figure: str = "mean_iou", metrics: Sequence[Metric] = METRICS
) -> ResultsTable:
    """Return a table of evaluations; those of one model, or of one name that was given, share a row.

    Args:
        runs: what to show, in order
        figure: name of one of the metrics
        metrics: those that were measured

    Raises:
        InputError: two runs are of the same model, data and split, or there is no such metric.
    """
    metric = metric_named(figure, metrics)
    cells: dict[tuple[str, str], dict[Column, str]] = {}
    folders: dict[tuple[str, str], str] = {}
    backbones: dict[str, None] = {}
    columns: dict[Column, None] = {}
    has_parts = False
    for run in runs:
        record = run.record
        own = (model_title(record["model"]), str(record["identity"]["model"]))
        model = own if run.name is None else (run.name, "")
        column = _column(record)
        if column in cells.setdefault(model, {}):
            raise InputError(f"two runs measure {model[0]} on {' '.join(column)}: name one of them")
        cells[model][column] = _cell(record, metric)
        folders.setdefault(model, run.folder)
        has_parts |= record["limit"] is not None
        columns[column] = None
        if record["backbone"] in MEAN_IOU and column in _PAPER_COLUMNS and figure == "mean_iou":
            backbones[record["backbone"]] = None
    ordered = sorted(columns, key=lambda one: (one not in _PAPER_COLUMNS, _place(one)))
    paper = [
        ResultsRow(
            f"CRIS {name} (paper)", {column: f"{value:.2f}" for column, value in MEAN_IOU[name].items()}
        )
        for name in MEAN_IOU
        if name in backbones
    ]
    unit = " in percent" if metric.is_share else ""
    remarks = [f"{metric.title}{unit}, with 95 % intervals resampled by image."]
    if has_parts:
        remarks.append(f"{_IN_PART} The first samples of the split only.")
    if any(data.endswith(_NOT_PUBLISHED) for data, _ in ordered):
        remarks.append(f"{_NOT_PUBLISHED} Not the published data set: the split has another size.")
    times = Counter(name for name, _ in cells)
    lines = [
        ResultsRow(
            f"{name} ({folders[name, key]})" if times[name] > 1 and folders[name, key] else name, found
        )
        for (name, key), found in cells.items()
    ]
    return ResultsTable(ordered, [*paper, *lines], remarks)


def _column(record: Mapping[str, Any]) -> Column:
    """Return the published data set, or the folder's name, marked where it speaks of one that it is not."""
    folder = Path(record["data"]).name
    if record["data_set"]:
        return record["data_set"], record["split"]
    return folder + (_NOT_PUBLISHED if family_name(folder) else ""), record["split"]


def _cell(record: Mapping[str, Any], metric: Metric) -> str:
    value = record.get(metric.name)  # None where it means nothing, or was not measured yet
    if value is None:
        return "–"
    scale, digits = (100, metric.digits - 1) if metric.is_share else (1, metric.digits)
    text = metric.text(scale * value, digits=digits)
    if interval := record["intervals"].get(metric.name):
        low, high = (metric.text(scale * end, digits=max(digits - 1, 0)) for end in interval)
        text += f" ({low}–{high})"
    return text + (_IN_PART if record["limit"] is not None else "")


def _place(column: Column) -> tuple[int, Column]:
    return (_PAPER_COLUMNS.index(column) if column in _PAPER_COLUMNS else 0, column)


def _title(data: str) -> str:
    return TITLES.get(data, data)


def _markdown(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _latex(text: str) -> str:
    special = {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "–": "--",
        _IN_PART: r"$^\dagger$",
        _NOT_PUBLISHED: r"$^\ddagger$",
    }
    return "".join(special.get(sign, f"\\{sign}" if sign in "&%$#_{}" else sign) for sign in text)
