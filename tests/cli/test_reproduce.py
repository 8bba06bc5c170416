"""`cris reproduce`, rehearsed from RefCOCO's own layout to the model card."""

import json

import pytest

from cris.checkpoint import load_checkpoint
from cris.cli import main
from cris.studies import stages
from tests.family import make_family

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
    refs, instances, images = make_family(pictures=24).write(tmp_path / "refcoco")
    out = tmp_path / "refcoco-unc"
    options = ("--refs", refs, "--instances", instances, "--images", images, "--out", out)
    assert cris("data", "refer", *options, "--skip-missing").code == 0
    return out


@pytest.fixture
def ran(monkeypatch):
    """Commands that were run, in this process; the stage named in `fails` ends with 1 instead."""
    commands = []

    def run_here(arguments):
        commands.append(list(arguments))
        if arguments[0] in fails:
            raise SystemExit(1)
        code = main(list(arguments))
        if code:
            raise SystemExit(code)

    fails = set()
    monkeypatch.setattr(stages, "run_stage", run_here)
    return commands, fails


def test_a_rehearsal_goes_from_the_data_to_the_model_card(cris, ran, refcoco, tmp_path):
    commands, fails = ran
    out = tmp_path / "reproduction"
    asked = ("reproduce", "refcoco-rn50-fixed", "--data", refcoco, "--out", out, "--scale", "0.001")
    fails.add("eval")
    assert cris(*asked, "--", *SMALL).code == 1
    assert [command[0] for command in commands] == ["data", "train", "eval"]
    assert cris(*asked, "--", *SMALL).is_short_error()  # it is there, and --resume was not given

    fails.clear()
    commands.clear()
    outcome = cris(*asked, "--resume", "--", *SMALL)
    assert outcome.code == 0
    assert [command[0] for command in commands] == ["train", "eval", "eval", "eval"]  # checked once
    assert "--steps" in commands[0]
    measured = [command[command.index("--split") + 1] for command in commands[1:]]
    assert sorted(measured) == ["testA", "testB", "val"]

    table = (out / "table.md").read_text(encoding="utf-8")
    assert f"{refcoco.name}‡ val" in table  # of a miniature: it does not get the published name
    assert f"{refcoco.name}‡ testA" in table
    assert r"\begin{tabular}" in (out / "table.tex").read_text(encoding="utf-8")
    card = load_checkpoint(out / "model").card
    assert "**A rehearsal**: 0.001" in card
    assert "cris train refcoco-rn50-fixed" in card
    record = json.loads((out / "results" / f"{refcoco.name}-val" / "_results.json").read_text())
    assert f"| `{refcoco.name}` | val | {record['count']} | {record['mean_iou']:.4f} |" in card


def test_broken_data_stops_before_training(cris, ran, refcoco, tmp_path):
    commands, _ = ran
    shard = next(refcoco.glob("*.arrow"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 255
    shard.write_bytes(content)
    out = tmp_path / "reproduction"
    code = cris("reproduce", "refcoco-rn50-fixed", "--data", refcoco, "--out", out, "--", *SMALL).code
    assert code == 1
    assert [command[0] for command in commands] == ["data"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("refcoco-rn50-fixt",), "did you mean"),
        (("refcoco-rn50-fixed", "--scale", "2"), "--scale must be a share"),
    ],
)
def test_wrong_use_is_told_before_anything_is_run(arguments, told, cris, ran, refcoco, tmp_path):
    outcome = cris("reproduce", *arguments, "--data", refcoco, "--out", tmp_path / "new")
    assert outcome.is_short_error(2)
    assert told in outcome.err
    assert not ran[0]
    assert not (tmp_path / "new").exists()


def test_scenes_are_data_as_for_train_and_eval(cris, ran, tmp_path):
    commands, _ = ran
    out = tmp_path / "reproduction"
    small = ("--max-steps=1", "--sampling.pictures=2", "--validation.samples=2", "--inference.input-size=64")
    asked = ("reproduce", "scenes-tiny-fixed", "--data", "scenes", "--out", out, "--scale", "0.0005")
    assert cris(*asked, "--", *small).code == 0
    assert [command[0] for command in commands] == ["train", "eval", "eval"]
    assert {command[command.index("--split") + 1] for command in commands[1:]} == {"val", "test"}
    assert "scenes val" in (out / "table.md").read_text(encoding="utf-8")
    assert "rendering scenes as they are needed" in load_checkpoint(out / "model").card


def test_data_is_asked_for_where_the_recipe_promises_some(cris, ran, tmp_path):
    outcome = cris("reproduce", "refcoco-rn50-fixed", "--out", tmp_path / "new")
    assert outcome.is_short_error(2)
    assert "refcoco-rn50-fixed needs data: pass --data DIR" in outcome.err
    assert not ran[0]
