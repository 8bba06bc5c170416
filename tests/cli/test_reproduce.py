"""`cris reproduce`, rehearsed from RefCOCO's own layout to the model card."""

import json

import pytest
from huggingface_hub import ModelCard

from cris.checkpoint import load_checkpoint
from cris.cli.train import parse
from cris.errors import InputError
from cris.studies import reproduction
from cris.studies.stages import TrainingStage
from tests.fixtures.family import make_family

SMALL = (
    "--from=",
    "--precision=fp32",
    "--sampling.pictures=2",
    "--sampling.workers=0",
    "--inference.input-size=64",
    *(
        "--model.image.layers",
        "1",
        "1",
        "1",
        "1",
        "--model.image.stem",
        "8",
        "8",
        "16",
        "--model.image.width=16",
    ),
    *("--model.text.width=64", "--model.text.layers=1", "--model.joint-dim=32", "--model.decoder.ffn=32"),
    *("--model.neck.fine=16", "--model.neck.middle=32", "--model.neck.coarse=32", "--model.decoder.layers=1"),
    *("--model.projector.hidden=16", "--model.projector.dim=8", "--validation.samples=4"),
)


@pytest.fixture
def refcoco(cris, tmp_path):
    """A miniature RefCOCO, converted by the documented command."""
    refs, instances, images = make_family(count=24).write(tmp_path / "refcoco")
    out = tmp_path / "refcoco-unc"
    options = ("--refs", refs, "--instances", instances, "--images", images, "--out", out)
    assert cris("data", "refer", *options, "--skip-missing").code == 0
    return out


@pytest.fixture
def ran(monkeypatch):
    """Stages that were run, with their splits; the stage named in `fails` ends with an error instead."""
    stages, fails = [], set()

    def telling(name, run):
        def run_and_tell(*arguments, **options):
            stages.append((name, options.get("split")))
            if name in fails:
                raise InputError(f"{name} fails")
            return run(*arguments, **options)

        return run_and_tell

    monkeypatch.setattr(TrainingStage, "run", telling("train", TrainingStage.run))
    for name, function in (("data", "check_dataset"), ("eval", "evaluate_to")):
        monkeypatch.setattr(reproduction, function, telling(name, getattr(reproduction, function)))
    return stages, fails


def test_a_rehearsal_goes_from_the_data_to_the_model_card(cris, ran, refcoco, tmp_path):
    stages, fails = ran
    out = tmp_path / "reproduction"
    asked = ("reproduce", "refcoco-rn50-fixed", "--data", refcoco, "--out", out, "--scale", "0.001")
    fails.add("eval")
    assert cris(*asked, "--", *SMALL).code == 1
    assert [name for name, _ in stages] == ["data", "train", "eval"]
    assert cris(*asked, "--", *SMALL).is_short_error()  # it is there, and --resume was not given

    fails.clear()
    stages.clear()
    outcome = cris(*asked, "--resume", "--", *SMALL)
    assert outcome.code == 0
    assert [name for name, _ in stages] == ["train", "eval", "eval", "eval"]  # checked once
    assert sorted(split for _, split in stages[1:]) == ["testA", "testB", "val"]

    table = (out / "table.md").read_text(encoding="utf-8")
    assert f"{refcoco.name}‡ val" in table  # of a miniature: it does not get the published name
    assert f"{refcoco.name}‡ testA" in table
    assert r"\begin{tabular}" in (out / "table.tex").read_text(encoding="utf-8")
    card = load_checkpoint(out / "model").card
    assert "**A rehearsal**: 0.001" in card
    for command in ("data check", "train refcoco-rn50-fixed --data", f"eval {out / 'run'}"):
        assert f"\ncris {command} " in card
    trained = next(line for line in card.splitlines() if line.startswith("cris train "))
    config = parse("cris train", trained.split()[2:]).config
    run = json.loads((out / "run" / "config.json").read_text())
    assert (config.steps, config.start, config.model) == (
        run["steps"],
        "",
        load_checkpoint(out / "model").model.config,
    )
    record = json.loads((out / "results" / f"{refcoco.name}-val" / "_results.json").read_text())
    assert f"| `{refcoco.name}` | val | {record['count']} | {record['mean_iou']:.4f} |" in card
    assert ModelCard(card).data.library_name == "cris"
    assert ModelCard(card).data.eval_results is None  # figures of a rehearsal are none of the model's


def test_broken_data_stops_before_training(cris, ran, refcoco, tmp_path):
    stages, _ = ran
    shard = next(refcoco.glob("*.arrow"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 255
    shard.write_bytes(content)
    out = tmp_path / "reproduction"
    outcome = cris("reproduce", "refcoco-rn50-fixed", "--data", refcoco, "--out", out, "--", *SMALL)
    assert outcome.code == 1
    assert f"{refcoco} is broken: " in outcome.err
    assert [name for name, _ in stages] == ["data"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("refcoco-rn50-fixt",), "did you mean"),
        (("refcoco-rn50-fixed", "--scale", "2"), "scale must be a share"),
    ],
)
def test_wrong_use_is_told_before_anything_is_run(arguments, told, cris, ran, refcoco, tmp_path):
    outcome = cris("reproduce", *arguments, "--data", refcoco, "--out", tmp_path / "new")
    assert outcome.is_short_error(2)
    assert told in outcome.err
    assert not ran[0]
    assert not (tmp_path / "new").exists()


def test_scenes_are_data_as_for_train_and_eval(cris, ran, tmp_path):
    stages, _ = ran
    out = tmp_path / "reproduction"
    small = ("--max-steps=1", "--sampling.pictures=2", "--validation.samples=2", "--inference.input-size=64")
    asked = ("reproduce", "scenes-tiny-fixed", "--data", "scenes", "--out", out, "--scale", "0.0005")
    assert cris(*asked, "--", *small).code == 0
    assert [name for name, _ in stages] == ["train", "eval", "eval"]
    assert {split for _, split in stages[1:]} == {"val", "test"}
    assert "scenes val" in (out / "table.md").read_text(encoding="utf-8")
    assert "rendering scenes as they are needed" in load_checkpoint(out / "model").card


def test_data_is_asked_for_where_the_recipe_promises_some(cris, ran, tmp_path):
    outcome = cris("reproduce", "refcoco-rn50-fixed", "--out", tmp_path / "new")
    assert outcome.is_short_error(2)
    assert "refcoco-rn50-fixed needs data: pass --data DIR" in outcome.err
    assert not ran[0]
