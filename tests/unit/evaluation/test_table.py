from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cris.data.store.manifest import Counter, Manifest, SourceInfo, SplitCounts, make_manifest
from cris.evaluation.paper import MEAN_IOU, backbone_of, data_set_of, family_name
from cris.evaluation.table import TableEntry, make_table
from cris.model.config import CRIS_RN50, CRIS_RN101
from tests.fixtures.small import SMALL


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


def runs(records: list[dict[str, Any]]) -> list[TableEntry]:
    return [TableEntry(record=record) for record in records]


def test_the_paper_stands_above_models_with_its_encoder() -> None:
    assert make_table(runs(RECORDS)).markdown() == (
        "|  | RefCOCO val | RefCOCO testA | things val |\n"
        "| --- | ---: | ---: | ---: |\n"
        "| CRIS RN50 (paper) | 69.52 | 72.72 | – |\n"
        "| mine_50% | 70.12 (69.0–71.2) | 70.12 (69.0–71.2)† | 70.12 (69.0–71.2) |\n"
        "| other | 50.00 | – | – |\n"
        "\n"
        "mean IoU in percent, with 95 % intervals resampled by image.\n"
        "† The first samples of the split only.\n"
    )


def test_latex_escapes_names() -> None:
    text = make_table(runs(RECORDS)).latex()
    assert r"mine\_50\% & 70.12 (69.0--71.2) & 70.12 (69.0--71.2)$^\dagger$ &" in text
    assert text.count(r"\\") == 4


def test_other_figures_stand_alone() -> None:
    assert "paper" not in make_table(runs(RECORDS), "pr50").markdown()


def test_names_cannot_break_a_table() -> None:
    assert r"| a\|b&lt;i> | " in make_table(runs([a_record(model="a|b<i>")])).markdown()


def test_two_runs_of_the_same_are_refused() -> None:
    with pytest.raises(ValueError, match="two runs measure mine_50% on refcoco val"):
        make_table(runs([a_record(), a_record()]))


def test_models_of_one_name_are_told_apart_by_their_folders_or_by_given_names() -> None:
    first, second = (
        a_record(model=f"runs/{run}/checkpoints/last", identity={"model": [run]}) for run in "ab"
    )
    lines = make_table([TableEntry(record=first), TableEntry(record=second)]).lines
    assert [line.name for line in lines[1:]] == ["a (last)", "b (last)"]
    alike = [a_record(model=f"{run}/model", identity={"model": [run]}) for run in "ab"]
    lines = make_table([TableEntry(record=each, folder=f"results/{n}") for n, each in enumerate(alike)]).lines
    assert [line.name for line in lines[1:]] == ["model (results/0)", "model (results/1)"]
    lines = make_table([TableEntry(record=each, name=f"try {n}") for n, each in enumerate(alike)]).lines
    assert [line.name for line in lines[1:]] == ["try 0", "try 1"]


def test_another_data_set_in_a_folder_of_a_published_name_is_marked_and_has_no_figure_beside_it() -> None:
    text = make_table(runs([a_record(data="my/refcoco", data_set=None)])).markdown()
    assert "|  | refcoco‡ val |" in text
    assert "paper" not in text
    assert "‡ Not the published data set: the split has another size." in text


def stored(entries: dict[str, int], *sources: str) -> Manifest:
    source = SourceInfo(kind="refer", files=dict.fromkeys(sources, "sha"))
    manifest = make_manifest(source, "cris data refer", Counter(), [])
    counts = {s: SplitCounts(pictures=1, entries=n, objects=n, sentences=n) for s, n in entries.items()}
    return replace(manifest, splits=counts)


@pytest.mark.parametrize(
    ("folder", "entries", "split", "name"),
    [
        ("x", {"train": 42_404, "val": 3_811, "testA": 1_975}, "val", "refcoco"),
        ("x", {"val": 3_805, "testA": 1_975}, "testA", "refcoco+"),  # as many as RefCOCO's: val decides
        ("refcoco", {"testA": 1_975}, "testA", "refcoco"),
        ("x", {"testA": 1_975}, "testA", None),
        ("x", {"val": 5_000}, "val", "refcocog-google"),
        ("refcoco", {"val": 81}, "val", None),
        ("refcoco", {"val": 3_811, "testA": 20}, "testA", None),
        ("refcoco", {}, "val", None),
    ],
)
def test_a_data_set_is_known_by_the_size_of_its_split(
    folder: str, entries: dict[str, int], split: str, name: str | None
) -> None:
    assert data_set_of(Path(folder), stored(entries), split) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("refcoco", "refcoco"),
        ("refcocoplus-mini", "refcoco+"),
        ("refcocog_umd", "refcocog-umd"),
        ("RefCOCOg-google", "refcocog-google"),
        ("downloads/refcoco+/refs(unc).p", "refcoco+"),
        ("grefcoco", None),
        ("x", None),
    ],
)
def test_a_name_speaks_of_a_data_set(text: str, name: str | None) -> None:
    assert family_name(text) == name


def test_an_encoder_is_known_by_its_sizes() -> None:
    assert [backbone_of(config) for config in (CRIS_RN50, CRIS_RN101, SMALL)] == ["RN50", "RN101", None]


def test_both_encoders_have_the_papers_eight_figures() -> None:
    assert [len(figures) for figures in MEAN_IOU.values()] == [8, 8]
