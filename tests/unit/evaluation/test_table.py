from pathlib import Path
from typing import Any

import pytest

from cris.data.store.manifest import Counter, SourceInfo, make_manifest
from cris.evaluation.paper import MEAN_IOU, backbone_of, data_set_of
from cris.evaluation.table import make_sheet
from cris.model.config import CRIS_RN50, CRIS_RN101
from tests.small import SMALL


def a_record(**changes: Any) -> dict[str, Any]:
    return {
        "model": "runs/mine_50%",
        "identity": {"model": ["sha"]},
        "backbone": "RN50",
        "data": "data/refcoco",
        "data_set": "refcoco",
        "split": "val",
        "limit": None,
        "mean_iou": 0.70123,
        "pr50": 0.8,
        "intervals": {"mean_iou": [0.69, 0.712]},
    } | changes


RECORDS = [
    a_record(),
    a_record(split="testA", limit=500),
    a_record(split="val", data="things", data_set=None),
    a_record(model="other", identity={"model": ["other"]}, backbone=None, mean_iou=0.5, intervals={}),
]


def test_the_paper_stands_above_models_with_its_encoder() -> None:
    assert make_sheet(RECORDS).markdown() == (
        "|  | RefCOCO val | RefCOCO testA | things val |\n"
        "| --- | ---: | ---: | ---: |\n"
        "| CRIS RN50 (paper) | 69.52 | 72.72 | – |\n"
        "| mine_50% | 70.12 (69.0–71.2) | 70.12 (69.0–71.2)† | 70.12 (69.0–71.2) |\n"
        "| other | 50.00 | – | – |\n"
        "\n"
        "mean IoU in percent, with 95 % intervals resampled by picture.\n"
        "† The first samples of the split only.\n"
    )


def test_latex_escapes_names() -> None:
    text = make_sheet(RECORDS).latex()
    assert r"mine\_50\% & 70.12 (69.0--71.2) & 70.12 (69.0--71.2)$^\dagger$ &" in text
    assert text.count(r"\\") == 4


def test_other_figures_stand_alone() -> None:
    assert "paper" not in make_sheet(RECORDS, "pr50").markdown()


def test_names_cannot_break_a_table() -> None:
    assert r"| a\|b&lt;i> | " in make_sheet([a_record(model="a|b<i>")]).markdown()


def test_two_runs_of_the_same_are_refused() -> None:
    with pytest.raises(ValueError, match="two runs measure mine_50% on refcoco val"):
        make_sheet([a_record(), a_record()])


@pytest.mark.parametrize(
    ("folder", "sources", "name"),
    [
        ("refcoco", (), "refcoco"),
        ("refcoco+", (), "refcoco+"),
        ("refcocoplus-mini", (), "refcoco+"),
        ("refcocog_umd", (), "refcocog-umd"),
        ("refcocog", (), "refcocog-umd"),
        ("RefCOCOg-google", (), "refcocog-google"),
        ("x", ("downloads/refcoco+/refs(unc).p",), "refcoco+"),
        ("grefcoco", (), None),
        ("x", (), None),
    ],
)
def test_a_data_set_is_known_by_its_names(folder: str, sources: tuple[str, ...], name: str | None) -> None:
    source = SourceInfo(kind="refer", files=dict.fromkeys(sources, "sha"))
    assert data_set_of(Path(folder), make_manifest(source, "cris data refer", Counter(), [])) == name


def test_an_encoder_is_known_by_its_sizes() -> None:
    assert [backbone_of(config) for config in (CRIS_RN50, CRIS_RN101, SMALL)] == ["RN50", "RN101", None]


def test_both_encoders_have_the_papers_eight_figures() -> None:
    assert [len(figures) for figures in MEAN_IOU.values()] == [8, 8]
