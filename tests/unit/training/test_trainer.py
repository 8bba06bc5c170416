"""A step of the loop: the reference's gradients, a batch in parts, losses that are no numbers."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision

from cris.data.loading.loader import Batch
from cris.model.convert import RELEASED, _sources, load_released
from cris.training.config import ObjectivesConfig
from cris.training.trainer import Trainer
from tests.fixtures.small import SMALL_LITE, SMALL_VIT, small_cris
from tests.fixtures.training import CONFIG, joined, random_batch, trainer_of

LITE_CONFIG = replace(CONFIG, model=SMALL_LITE)
VIT_CONFIG = replace(CONFIG, model=replace(SMALL_VIT, decoder=CONFIG.model.decoder))
EXACT = replace(CONFIG, precision="fp64", freeze_norms=True)


def gradients(trainer: Trainer) -> torch.Tensor:
    learning = (parameter for parameter in trainer.model.parameters() if parameter.requires_grad)
    return torch.cat([parameter.grad.flatten() for parameter in learning])


def test_loss_and_gradients_of_a_step_equal_the_reference(shared_reference, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(shared_reference))
    from stand_in_weights import state_dict

    path = tmp_path / "best_model.pth"
    torch.save({"state_dict": state_dict("small")}, path)
    model = load_released(path)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.0
    reference = np.load(shared_reference / "small_train.npz")
    expected = json.loads((shared_reference / "small_train.json").read_text())
    images = torch.from_numpy(reference["images"])
    monkeypatch.setattr(Batch, "inputs", lambda self: images)  # they are normalised already
    mask = torch.from_numpy(reference["mask"]).float().reshape(len(images), 1, *images.shape[-2:])
    batch = Batch(
        images=torch.zeros(images.shape, dtype=torch.uint8),
        tokens=torch.from_numpy(reference["tokens"]).long(),
        image_index=torch.arange(len(images)),
        masks=mask,
        on_image=torch.ones(len(images), images.shape[-2] // 4, images.shape[-1] // 4, dtype=torch.bool),
        samples=torch.arange(len(images)),
    )
    released = ObjectivesConfig(target="nearest", padding="counted")
    config = replace(CONFIG, model=model.config, objectives=released, channels_last=False)
    trainer = trainer_of(config, model)
    logits: list[torch.Tensor] = []
    trainer.runner.register_forward_hook(lambda _, __, found: logits.append(found.logits.detach()))
    assert trainer.gradients([batch])["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    wanted = torch.from_numpy(reference["logits"]).reshape(logits[0].shape)
    assert float((logits[0] - wanted).norm() / wanted.norm()) <= 1e-4
    sources = _sources(model, RELEASED)
    squares: dict[str, float] = {}
    for name, parameter in trainer.model.named_parameters():
        key = sources[name].key
        squares[key] = squares.get(key, 0.0) + parameter.grad.double().square().sum().item()
    norms = {key: math.sqrt(square) for key, square in squares.items()}
    assert norms.keys() == expected["grad_norm"].keys()
    wrong = {
        k: (norms[k], v) for k, v in expected["grad_norm"].items() if abs(norms[k] - v) > 1e-4 * v + 1e-5
    }
    assert not wrong


def test_a_batch_in_unequal_parts_has_the_gradient_of_the_whole():
    parts = [random_batch([2, 2], seed=1), random_batch([2, 1], seed=2)]
    whole, split = trainer_of(EXACT), trainer_of(EXACT)
    terms = whole.gradients([joined(parts)])
    in_parts = split.gradients(parts)
    assert in_parts == pytest.approx(terms, rel=1e-12)
    difference = (gradients(whole) - gradients(split)).norm() / gradients(whole).norm()
    assert difference < 1e-12


@pytest.mark.parametrize("config", [CONFIG, LITE_CONFIG, VIT_CONFIG], ids=["clip", "lite", "vit"])
def test_gradients_checkpointed_are_the_same_and_statistics_count_once(config):
    batch = random_batch([2, 2])
    plain = trainer_of(config)
    again = trainer_of(replace(config, gradient_checkpointing=True))
    plain.gradients([batch])
    again.gradients([batch])
    torch.testing.assert_close(gradients(again), gradients(plain), rtol=1e-5, atol=1e-7)
    for name, buffer in plain.model.named_buffers():
        torch.testing.assert_close(again.model.get_buffer(name), buffer)


def test_one_sentence_in_a_process_trains_and_keeps_the_running_statistics():
    trainer = trainer_of(CONFIG)
    norm = trainer.model.neck.sentence_norm
    before = norm.running_mean.clone()
    figures = trainer.training_step([random_batch([1])])
    assert math.isfinite(figures["loss"])
    assert norm.running_mean.equal(before)
    trainer.training_step([random_batch([2])])
    assert not norm.running_mean.equal(before)


def test_frozen_norms_keep_all_their_statistics():
    trainer = trainer_of(replace(CONFIG, freeze_norms=True))
    before = {name: buffer.clone() for name, buffer in trainer.model.named_buffers()}
    trainer.training_step([random_batch([2, 2])])
    assert all(buffer.equal(before[name]) for name, buffer in trainer.model.named_buffers())


@pytest.mark.parametrize("config", [CONFIG, LITE_CONFIG, VIT_CONFIG], ids=["clip", "lite", "vit"])
def test_norms_of_the_image_encoder_frozen_keep_theirs_and_the_necks_move(config):
    trainer = trainer_of(replace(config, freeze_encoder_norms=True))
    before = {name: buffer.clone() for name, buffer in trainer.model.named_buffers() if "running" in name}
    trainer.training_step([random_batch([2, 2])])
    moved = {name for name, buffer in before.items() if not trainer.model.get_buffer(name).equal(buffer)}
    assert moved == {name for name in before if not name.startswith("image_encoder.")}
    assert 0 < len(moved) < len(before)


def test_parts_that_do_not_learn_keep_their_statistics():
    config = replace(CONFIG, optimizer=replace(CONFIG.optimizer, parts=("neck", "projector")))
    trainer = trainer_of(config)
    before = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    trainer.training_step([random_batch([2, 2])])
    moved = {name for name, tensor in trainer.model.state_dict().items() if not tensor.equal(before[name])}
    assert {name.split(".")[0] for name in moved} == {"neck", "projector"}
    assert any("running" in name for name in moved)


def test_frozen_parts_of_the_encoders_keep_their_weights_and_have_no_state():
    optimizer = replace(
        LITE_CONFIG.optimizer, frozen_image_blocks=3, freeze_text=True, weight_decay=0.1, learning_rate=0.01
    )
    trainer = trainer_of(replace(LITE_CONFIG, optimizer=optimizer))
    before = {name: parameter.clone() for name, parameter in trainer.model.named_parameters()}
    for seed in range(2):
        trainer.training_step([random_batch([2, 2], seed=seed)])
    frozen = (
        "text_encoder.",
        "image_encoder.stem.",
        "image_encoder.stages.0.0.",
        "image_encoder.stages.1.0.",
        "presence.",
    )
    held = 0
    for name, parameter in trainer.model.named_parameters():
        is_frozen = name.startswith(frozen)
        assert parameter.equal(before[name]) == is_frozen, name
        assert (parameter in trainer.optimizer.state) != is_frozen, name
        held += is_frozen
    assert held > 40


def test_a_checkpointed_step_with_frozen_parts_moves_the_others_as_a_plain_one():
    optimizer = replace(LITE_CONFIG.optimizer, frozen_image_blocks=3, freeze_text=True)
    config = replace(LITE_CONFIG, optimizer=optimizer, freeze_encoder_norms=True)
    plain, again = trainer_of(config), trainer_of(replace(config, gradient_checkpointing=True))
    for each in (plain, again):
        each.gradients([random_batch([2, 2])])
    for name, parameter in plain.model.named_parameters():
        other = again.model.get_parameter(name)
        assert (parameter.grad is None) == (other.grad is None), name
        if parameter.grad is not None:
            torch.testing.assert_close(other.grad, parameter.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("config", [CONFIG, LITE_CONFIG], ids=["clip", "lite"])
def test_a_second_pass_with_hidden_parts_adds_its_agreement(config):
    objectives = ObjectivesConfig(masked_regions=0.5, masked_words=0.2, consistency_weight=2.0)
    first, again = (trainer_of(replace(config, objectives=objectives)) for _ in range(2))
    terms = first.gradients([random_batch([2, 2])])
    assert terms["consistency"] > 0
    assert terms["loss"] == pytest.approx(terms["contrastive"] + terms["consistency"])
    assert again.gradients([random_batch([2, 2])]) == terms


@pytest.fixture
def broken():
    """A batch whose loss is no number."""
    batch = random_batch([2, 2], seed=3)
    return replace(batch, masks=torch.full_like(batch.masks, math.nan))


def test_a_loss_that_is_no_number_ends_the_run_with_the_samples(broken):
    told = r"the loss of step 1, or its gradient, is no finite number, on samples \[\[300, 301"
    with pytest.raises(ValueError, match=told):
        trainer_of(CONFIG).training_step([broken])


def test_as_many_as_asked_are_passed_over_and_leave_nothing_behind(broken):
    trainer, other = (trainer_of(replace(CONFIG, skip_losses=1)) for _ in range(2))
    broken = replace(broken, images=torch.zeros_like(broken.images))
    trainer.training_step([broken])
    assert (trainer.step, trainer.skipped) == (1, 1)
    for name, value in other.model.state_dict().items():
        assert trainer.model.state_dict()[name].equal(value), name
    assert math.isfinite(trainer.training_step([random_batch([2, 2])])["loss"])
    with pytest.raises(ValueError, match="no finite number"):
        trainer.training_step([broken])


def half_trainer(scale: float) -> Trainer:
    """In float16, with this loss scale."""
    scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    fabric = Fabric(accelerator="cpu", devices=1, plugins=[MixedPrecision("16-mixed", "cpu", scaler)])
    return Trainer(replace(CONFIG, precision="fp16"), small_cris(CONFIG.model), fabric)


def test_gradients_are_clipped_after_unscaling():
    norm = half_trainer(scale=16.0).training_step([random_batch([2, 2])])["gradient_norm"]
    expected = trainer_of(CONFIG).training_step([random_batch([2, 2])])["gradient_norm"]
    assert norm == pytest.approx(expected, rel=0.1)


def test_the_loss_scale_is_part_of_what_a_run_keeps():
    first, second = half_trainer(4.0), half_trainer(1024.0)
    first.training_step([random_batch([2, 2])])
    second.load_state_dict(first.state_dict())
    assert second.fabric.strategy.precision.scaler.get_scale() == 4.0
    assert second.step == 1


def test_absence_that_nothing_would_learn_is_refused():
    config = replace(CONFIG, objectives=replace(CONFIG.objectives, no_target="ignored"))
    with pytest.raises(ValueError, match="no_target ignored leaves to the presence head"):
        trainer_of(config)


def test_two_things_that_exclude_each_other_are_refused():
    with pytest.raises(ValueError, match="exclude each other"):
        trainer_of(replace(CONFIG, compile=True, gradient_checkpointing=True))
