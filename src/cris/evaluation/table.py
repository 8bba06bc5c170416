"""Many evaluations beside the paper's figures, as Markdown or LaTeX."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cris.errors import InputError
from cris.evaluation.paper import MEAN_IOU, TITLES, family_name
from cris.registry import model_title

Column = tuple[str, str]
"""Data set and split; the data set is a key of TITLES, or what its folder is called."""
FIGURES = {
    **{"mean_iou": "mean IoU", "overall_iou": "overall IoU", "pr50": "Pr@50", "pr60": "Pr@60"},
    **{"pr70": "Pr@70", "pr80": "Pr@80", "pr90": "Pr@90", "giou": "gIoU", "ciou": "cIoU"},
}
"""What a table can show → its name."""
_IN_PART, _NOT_PUBLISHED = "†", "‡"
_PAPER_COLUMNS = list(MEAN_IOU["RN50"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One evaluation on its way into a table."""

    record: Mapping[str, Any]
    """What `cris eval` recorded."""
    name: str | None = None
    """What to call its model; None: as the record has it."""
    folder: str = ""
    """Of the results; what tells models of one name apart."""


@dataclass(frozen=True, slots=True)
class Line:
    """A model, and what it reaches on each data set and split."""

    name: str
    cells: Mapping[Column, str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Lines of figures in percent, those of the paper first."""

    figure: str
    columns: Sequence[Column]
    lines: Sequence[Line]
    remarks: Sequence[str]

    def markdown(self) -> str:
        """A table of Markdown."""
        headers = ["", *(f"{_title(data)} {split}" for data, split in self.columns)]
        rows = [headers, ["---", *("---:" for _ in self.columns)], *map(self._cells, self.lines)]
        lines = ["| " + " | ".join(_markdown(cell) for cell in row) + " |" for row in rows]
        return "\n".join([*lines, "", *map(_markdown, self.remarks)]) + "\n"

    def latex(self) -> str:
        """A tabular of LaTeX, for the package booktabs."""
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

    def _cells(self, line: Line) -> list[str]:
        return [line.name, *(line.cells.get(column, "–") for column in self.columns)]


def make_sheet(runs: Iterable[Run], figure: str = "mean_iou") -> Sheet:
    """A sheet of evaluations; those of one model, or of one name that was given, share a line.

    Raises:
        InputError: two runs are of the same model, data and split.
    """
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
        cells[model][column] = _cell(record, figure)
        folders.setdefault(model, run.folder)
        has_parts |= record["limit"] is not None
        columns[column] = None
        if record["backbone"] in MEAN_IOU and column in _PAPER_COLUMNS and figure == "mean_iou":
            backbones[record["backbone"]] = None
    ordered = sorted(columns, key=lambda one: (one not in _PAPER_COLUMNS, _place(one)))
    paper = [
        Line(f"CRIS {name} (paper)", {column: f"{value:.2f}" for column, value in MEAN_IOU[name].items()})
        for name in MEAN_IOU
        if name in backbones
    ]
    remarks = [f"{FIGURES[figure]} in percent, with 95 % intervals resampled by picture."]
    if has_parts:
        remarks.append(f"{_IN_PART} The first samples of the split only.")
    if any(data.endswith(_NOT_PUBLISHED) for data, _ in ordered):
        remarks.append(f"{_NOT_PUBLISHED} Not the published data set: the split has another size.")
    times = Counter(name for name, _ in cells)
    lines = [
        Line(f"{name} ({folders[name, key]})" if times[name] > 1 and folders[name, key] else name, found)
        for (name, key), found in cells.items()
    ]
    return Sheet(figure, ordered, [*paper, *lines], remarks)


def _column(record: Mapping[str, Any]) -> Column:
    """The published data set, or the folder's name, marked where it speaks of one that it is not."""
    folder = Path(record["data"]).name
    if record["data_set"]:
        return record["data_set"], record["split"]
    return folder + (_NOT_PUBLISHED if family_name(folder) else ""), record["split"]


def _cell(record: Mapping[str, Any], figure: str) -> str:
    text = f"{100 * record[figure]:.2f}"
    if interval := record["intervals"].get(figure):
        text += f" ({100 * interval[0]:.1f}–{100 * interval[1]:.1f})"
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
