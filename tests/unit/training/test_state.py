"""What a run's folder holds, whatever happens while it is written."""

import errno
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file

from cris.card import CardResult
from cris.checkpoint import load_checkpoint
from cris.model.config import InferenceConfig
from cris.model.tokenizer import Tokenizer
from cris.training.recipes import cris_scenes
from cris.training.state import RunFolder, holds_run, last_checkpoint, remove_run
from tests.fixtures.hub import card_problems
from tests.fixtures.small import SMALL, small_cris

TOKENIZER = Tokenizer().reduced([])
MODEL = replace(SMALL, text=replace(SMALL.text, vocabulary=TOKENIZER.vocab_size))
CONFIG = replace(cris_scenes(), keep=2)


def folder_of(out: Path, **changes: object) -> RunFolder:
    return RunFolder(out, replace(CONFIG, **changes), TOKENIZER, "cpu")


def save(run: RunFolder, step: int, *, is_best: bool = False) -> None:
    """A model of its own for each step."""
    model = small_cris(MODEL, seed=step)
    run.save(model, InferenceConfig(), {"step": step}, step=step, is_best=is_best, best=0.5)


def weight(folder: Path) -> torch.Tensor:
    return load_file(folder / "model.safetensors")["neck.sentence.weight"]


def test_the_last_the_best_and_the_newest_are_kept(tmp_path: Path) -> None:
    run = folder_of(tmp_path)
    for step in (5, 10, 15, 20):
        save(run, step, is_best=step == 10)
    checkpoints = last_checkpoint(tmp_path).parent
    assert {path.name for path in checkpoints.iterdir()} == {"last", "best", "step-15", "step-20"}
    expected = {"last": 20, "best": 10, "step-15": 15, "step-20": 20}
    for name, step in expected.items():
        assert weight(checkpoints / name).equal(small_cris(MODEL, seed=step).neck.sentence.weight)
        load_checkpoint(checkpoints / name)
    state = run.read_state()
    assert state is not None
    assert state["step"] == 20


def test_a_card_has_the_figures_of_its_own_weights_and_the_model_of_the_hub_they_began_as(
    tmp_path: Path,
) -> None:
    run = folder_of(tmp_path, start="hf://owner/base@v1")
    run.hub_data = ("owner/cats",)
    measured = CardResult(data="cats", split="val", figures={"mean_iou": ("mean IoU", 0.5)})
    run.save(small_cris(MODEL), InferenceConfig(), {}, step=5, is_best=True, best=0.5, measured=measured)
    save(run, 10)  # not validated
    cards = {
        name: ModelCard.load(last_checkpoint(tmp_path).with_name(name) / "README.md")
        for name in ("best", "last")
    }
    (result,) = cards["best"].data.eval_results
    assert (result.dataset_name, result.metric_type, result.metric_value) == ("cats", "mean_iou", 0.5)
    assert cards["best"].data.model_name == run.config.recipe
    assert cards["last"].data.eval_results is None
    for card in cards.values():
        assert card_problems(str(card), "model") == []
        assert card.data.base_model == ["owner/base"]
        assert card.data.datasets == ["owner/cats"]


def test_a_removed_run_leaves_what_is_not_its_own(tmp_path: Path) -> None:
    run = folder_of(tmp_path)
    run.write_config()
    save(run, 5, is_best=True)
    (tmp_path / "sheets").mkdir()
    (tmp_path / "notes.txt").touch()
    remove_run(tmp_path)
    assert not holds_run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    remove_run(tmp_path / "nowhere")


def test_none_of_the_past_is_kept_when_none_is_asked_for(tmp_path: Path) -> None:
    run = folder_of(tmp_path, keep=0)
    save(run, 5)
    save(run, 10)
    assert [path.name for path in last_checkpoint(tmp_path).parent.iterdir()] == ["last"]


def test_a_better_model_takes_the_place_of_the_best(tmp_path: Path) -> None:
    run = folder_of(tmp_path)
    save(run, 5, is_best=True)
    save(run, 10, is_best=True)
    best = tmp_path / "checkpoints/best"
    assert weight(best).equal(small_cris(MODEL, seed=10).neck.sentence.weight)


@pytest.mark.parametrize("what", ["cris.checkpoint.torch.save", "cris.checkpoint.save_file", "os.link"])
def test_a_full_disk_leaves_what_was_saved_before(what: str, tmp_path: Path, monkeypatch) -> None:
    run = folder_of(tmp_path)
    save(run, 5)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(what, full)
        with pytest.raises(
            ValueError, match="the disk is full at step 10: free some space and pass --resume"
        ):
            save(run, 10)
    state = run.read_state()
    assert state is not None
    kept = state["step"]
    assert kept == (10 if what == "os.link" else 5)
    assert weight(last_checkpoint(tmp_path)).equal(small_cris(MODEL, seed=kept).neck.sentence.weight)
    save(run, 15)
    assert run.read_state()["step"] == 15


def test_a_file_system_without_links_gets_copies(tmp_path: Path, monkeypatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.link", refused)
    save(folder_of(tmp_path), 5, is_best=True)
    assert weight(tmp_path / "checkpoints/best").equal(weight(tmp_path / "checkpoints/step-5"))


def test_a_save_cut_short_between_its_two_renames_goes_on_from_before(tmp_path: Path) -> None:
    run = folder_of(tmp_path)
    save(run, 5)
    last = last_checkpoint(tmp_path)
    last.rename(last.with_name(".last.previous"))
    assert run.read_state()["step"] == 5


def test_a_damaged_state_names_the_way_out(tmp_path: Path) -> None:
    run = folder_of(tmp_path)
    save(run, 5)
    save(run, 10)
    last = last_checkpoint(tmp_path)
    content = (last / "train_state.pt").read_bytes()
    (last / "train_state.pt").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="is damaged: rename an older step-… beside its folder to last"):
        run.read_state()
    shutil.rmtree(last)
    last.with_name("step-5").rename(last)
    assert run.read_state()["step"] == 5


def test_a_new_folder_has_no_state(tmp_path: Path) -> None:
    assert folder_of(tmp_path).read_state() is None
