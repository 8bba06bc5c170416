"""Every stage of the small released model, and one step of its training."""

import json

import numpy as np
import pytest
import torch

from cris.model.convert import RELEASED, _sources, load_released
from cris.training.loss import text_to_pixel_loss


@pytest.fixture
def small_file(shared_reference, tmp_path, monkeypatch):
    """The small model's stand-in weights in the released file format."""
    monkeypatch.syspath_prepend(str(shared_reference))
    from stand_in_weights import state_dict

    path = tmp_path / "best_model.pth"
    torch.save({"state_dict": {f"module.{key}": value for key, value in state_dict("small").items()}}, path)
    return path


def relative(ours: torch.Tensor, reference: np.ndarray) -> float:
    """Norm of the difference over the norm of the reference."""
    expected = torch.from_numpy(reference)
    return float((ours.reshape(expected.shape) - expected).norm() / expected.norm())


@torch.no_grad()
def test_every_stage_equals_the_reference(shared_reference, small_file):
    reference = np.load(shared_reference / "small_model.npz")
    model = load_released(small_file).eval()
    images, tokens = torch.from_numpy(reference["images"]), torch.from_numpy(reference["tokens"]).long()
    c3, c4, c5 = model.image_encoder(images)
    text = model.encode_text(tokens)
    fused = model.neck(model.neck.encode_image(c3, c4, c5), text.sentence)
    stages = {
        "c3": c3,
        "c4": c4,
        "c5": c5,
        "words": text.words,
        "sentence": text.sentence,
        "fused": fused,
        "decoded": model.decoder(fused, text.words, text.is_padding),
        "logits": model(images, tokens).logits,
        "pos2d_8x10": model.decoder.pixel_positions.grid(8, 10),
        "pos1d_17": model.decoder.word_positions(17),
    }
    errors = {name: relative(stage, reference[name]) for name, stage in stages.items()}
    assert max(errors.values()) <= 1e-5, errors


def test_loss_and_every_gradient_norm_of_a_training_step_equal_the_reference(shared_reference, small_file):
    reference = np.load(shared_reference / "small_train.npz")
    expected = json.loads((shared_reference / "small_train.json").read_text())
    model = load_released(small_file).train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.0
    images, tokens = torch.from_numpy(reference["images"]), torch.from_numpy(reference["tokens"]).long()
    logits = model(images, tokens).logits
    loss = text_to_pixel_loss(logits, torch.from_numpy(reference["mask"]).float())
    loss.backward()
    assert relative(logits.detach(), reference["logits"]) <= 1e-4
    assert loss.item() == pytest.approx(expected["loss"], rel=1e-5)
    norms = gradient_norms(model)
    assert norms.keys() == expected["grad_norm"].keys()
    wrong = {
        name: (norms[name], norm)
        for name, norm in expected["grad_norm"].items()
        if abs(norms[name] - norm) > 1e-4 * norm + 1e-5
    }
    assert not wrong


def gradient_norms(model: torch.nn.Module) -> dict[str, float]:
    """By the released code's names; one of theirs can be several of ours."""
    squares: dict[str, float] = {}
    sources = _sources(model, RELEASED)
    for name, parameter in model.named_parameters():
        key = sources[name].key
        squares[key] = squares.get(key, 0.0) + parameter.grad.double().square().sum().item()
    return {key: square**0.5 for key, square in squares.items()}
