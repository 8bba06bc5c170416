"""`cris ablate`: what it runs, what it writes, and that it goes on."""

import json
import re

import pytest
from PIL import Image

from cris.studies.stages import TrainingStage
from cris.training.recipes import RECIPES, ablation_rows

ROWS = tuple(ablation_rows(RECIPES["scenes-tiny-fixed"]()))
SMALL = ("--max-steps=1", "--sampling.pictures=2", "--validation.samples=2", "--inference.input-size=64")


@pytest.fixture
def ran(monkeypatch):
    """Recipes that were trained."""
    recipes = []
    run = TrainingStage.run

    def run_and_tell(stage):
        recipes.append(stage.config.recipe)
        run(stage)

    monkeypatch.setattr(TrainingStage, "run", run_and_tell)
    return recipes


def test_seven_rows_are_trained_measured_and_drawn(cris, ran, tmp_path):
    out = tmp_path / "ablation"
    asked = ("ablate", "scenes-tiny-fixed", "--out", out, "--limit", 8)
    assert cris(*asked, "--", *SMALL).code == 0
    assert ran == [f"scenes-tiny-fixed:{row}" for row in ROWS]
    assert len(ROWS) == 7
    table = (out / "ablation.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| ([a-z][\w ,]*) \| 0\.", table, re.MULTILINE) == [
        "neither",
        "contrastive projector only",
        "decoder only, 1 layer",
        *("both, 1 layer", "both, 2 layers", "both, 3 layers", "both, 4 layers"),
    ]
    for row, layers, head in (("neither", 0, "classifier"), ("both-4", 4, "contrastive")):
        model = json.loads((out / row / "run" / "checkpoints" / "last" / "config.json").read_text())["model"]
        assert (model["decoder"]["layers"], model["projector"]["head"]) == (layers, head)
    with Image.open(out / "figure.jpg") as figure:
        assert figure.width > 6 * 208  # image, what is meant, and four rows beside each other
    record = json.loads((out / "results.json").read_text())
    assert set(record["rows"]) == set(ROWS)
    assert record["rows"]["neither"]["count"] == 8
    assert sorted(record["options"]) == sorted(SMALL)

    assert cris(*asked, "--", *SMALL).is_short_error()  # not a second time unasked
    before = (out / "both-3" / "run" / "checkpoints" / "last" / "model.safetensors").stat().st_mtime_ns
    assert cris(*asked, "--resume", "--", *SMALL).code == 0
    after = (out / "both-3" / "run" / "checkpoints" / "last" / "model.safetensors").stat().st_mtime_ns
    assert before == after


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("scenes-tiny-fixd",), 2, "did you mean 'scenes-tiny-fixed'"),
        (("scenes-tiny-fixed", "--", "--out=elsewhere"), 2, "put it before"),
        (("scenes-tiny-fixed", "--", "--model.decoder.layerz=1"), 2, "layerz"),
    ],
)
def test_wrong_use_is_told_before_anything_is_run(arguments, code, told, cris, ran, tmp_path):
    outcome = cris("ablate", *arguments[:1], "--out", tmp_path / "new", *arguments[1:])
    assert outcome.code == code
    assert told in outcome.err
    assert not ran
    assert not (tmp_path / "new").exists()


def test_data_is_asked_for_where_the_recipe_promises_some(cris, ran, tmp_path):
    outcome = cris("ablate", "refcoco-rn50-fixed", "--out", tmp_path / "new")
    assert outcome.is_short_error(2)
    assert "refcoco-rn50-fixed needs data: pass --data DIR" in outcome.err
    assert not ran
