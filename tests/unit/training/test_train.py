"""Training from Python: recipes of any kind, fields that differ, additional losses, exact resuming."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import cris
from cris.data.loading.loader import Batch
from cris.errors import InputError
from cris.model.config import InferenceConfig
from cris.training.config import SamplingConfig, TrainConfig, ValidationConfig
from cris.training.loop import Outcome
from cris.training.recipes import RECIPES, scenes_tokenizer
from cris.training.train import configured
from tests.fixtures.small import SMALL


def tiny() -> TrainConfig:
    """A recipe as a researcher writes it."""
    text = replace(SMALL.text, vocabulary=scenes_tokenizer().vocab_size)
    return TrainConfig(
        recipe="scenes-mine",
        steps=2,
        device="cpu",
        keep=0,
        model=replace(SMALL, text=text, tokenizer="scenes"),
        inference=InferenceConfig(input_size=64, sentence_length=16),
        sampling=SamplingConfig(pictures=2),
        validation=ValidationConfig(samples=2),
    )


def brightness(logits: Tensor, batch: Batch) -> Tensor:
    """A term of the loss that everything found costs."""
    return 0.1 * logits.sigmoid().mean()


def pairs(logits: Tensor, batch: Batch) -> Tensor:
    return logits.sigmoid()


def lines(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def train(out: Path, **options: object) -> Outcome:
    return cris.train(tiny, data="scenes", out=out, progress=False, log_every=1, **options)


def test_a_recipe_of_ones_own_trains_with_a_loss_of_ones_own_and_goes_on(tmp_path: Path, capfd) -> None:
    outcome = train(tmp_path, losses=[brightness], max_steps=1)
    assert capfd.readouterr() == ("", "")
    assert (outcome.step, outcome.stopped_by, outcome.out) == (1, 0, tmp_path)
    assert str(outcome) == f"1 steps; best validation mean IoU {outcome.best:.3f}; model: {tmp_path}"
    first = lines(tmp_path)[0]
    assert first["loss"] == pytest.approx(first["contrastive"] + first["brightness"])
    assert 0 < first["brightness"] < 0.1
    assert json.loads((tmp_path / "config.json").read_text())["losses"] == ["brightness"]
    assert "brightness" in (tmp_path / "curves" / "loss.svg").read_text()

    with pytest.raises(InputError, match="holds a run"):
        train(tmp_path, losses=[brightness])
    with pytest.raises(InputError, match=r"its losses is \['brightness'\], not None"):
        train(tmp_path, resume=True)
    assert train(tmp_path, losses=[brightness], resume=True).step == 2
    assert cris.Segmenter.from_pretrained(tmp_path, "cpu").inference.input_size == 64

    assert train(tmp_path, overwrite=True, max_steps=1).step == 1
    assert [line["step"] for line in lines(tmp_path) if "loss" in line] == [1]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"stepz": 3}, "a recipe has no stepz: did you mean steps?"),
        ({"optimizer": {"rate": 1.0}}, "a recipe has no optimizer.rate"),
        ({"optimizer": {"learning_rate": "fast"}}, "optimizer.learning_rate must be float, got 'fast'"),
        ({"steps": 0}, "--steps must be at least 1, got 0"),
        ({"losses": [lambda logits, batch: logits.mean()]}, "a loss must be a function with a name"),
        ({"losses": [brightness, brightness]}, "brightness is taken"),
        ({"losses": [pairs]}, "the loss pairs must return a scalar tensor"),
    ],
)
def test_wrong_arguments_say_what_was_expected(options: dict[str, object], told: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        train(tmp_path, **options)
    assert told in str(caught.value)


def test_fields_that_differ_are_given_by_name_and_those_of_parts_as_mappings() -> None:
    named = configured(
        "scenes-tiny-fixed", steps=7, sampling={"pictures": 3}, schedule={"milestones": (0.5,)}
    )
    recipe = RECIPES["scenes-tiny-fixed"]()
    assert named == replace(
        recipe,
        steps=7,
        sampling=replace(recipe.sampling, pictures=3),
        schedule=replace(recipe.schedule, milestones=(0.5,)),
    )
    assert configured(recipe, start="cris-scenes").start == "cris-scenes"
    assert (
        configured(recipe, objectives=replace(recipe.objectives, dice_weight=0.5)).objectives.dice_weight
        == 0.5
    )
    assert configured("finetune", start="cris-scenes").recipe == "finetune"


def test_a_configuration_of_a_run_with_other_losses_asks_for_them() -> None:
    config = replace(tiny(), losses=("brightness",))
    assert configured(config, losses=[brightness]) == config
    with pytest.raises(InputError, match="a run with the losses brightness: pass these functions, got none"):
        configured(config)


def test_training_in_another_thread_leaves_signals_to_the_main_one(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(train, tmp_path, max_steps=1).result().step == 1
    assert torch.load(tmp_path / "checkpoints" / "last" / "train_state.pt")["step"] == 1
