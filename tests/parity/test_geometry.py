"""The released protocol's geometry against the released code's own numbers."""

from pathlib import Path

import numpy as np
import pytest

from cris.letterbox import Letterbox, normalise

THRESHOLD = 0.35


@pytest.fixture(scope="module")
def geometry(shared_reference: Path) -> dict[str, np.ndarray]:
    with np.load(shared_reference / "geometry.npz") as arrays:
        return dict(arrays)


def relative_error(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def letterbox_of(geometry: dict[str, np.ndarray], index: int) -> Letterbox:
    return Letterbox(*geometry[f"mask_{index}"].shape, int(geometry["size"]), "released")


def answer(geometry: dict[str, np.ndarray], index: int) -> np.ndarray:
    logits = geometry[f"logits_{index}"][0, 0]
    return letterbox_of(geometry, index).restore((1 / (1 + np.exp(-logits))).astype(np.float32))


@pytest.mark.parametrize("index", range(4))
def test_inputs_are_the_released_ones(geometry, index):
    ours = normalise(letterbox_of(geometry, index).apply(geometry[f"image_{index}"]))
    assert relative_error(ours, geometry[f"input_{index}"]) < 1e-4


@pytest.mark.parametrize("index", range(4))
def test_training_targets_are_the_released_ones(geometry, index):
    ours = letterbox_of(geometry, index).apply_mask(geometry[f"mask_{index}"])
    assert relative_error(ours, geometry[f"target_{index}"]) < 1e-4


@pytest.mark.parametrize("index", range(4))
def test_probabilities_are_the_released_ones_unclipped(geometry, index):
    assert relative_error(answer(geometry, index), geometry[f"probability_{index}"]) < 1e-4


@pytest.mark.parametrize("index", range(4))
def test_predictions_differ_from_the_released_in_less_than_a_pixel_of_a_thousand(geometry, index):
    prediction = answer(geometry, index) > THRESHOLD
    assert (prediction != geometry[f"prediction_{index}"]).mean() <= 1e-3


@pytest.mark.parametrize("index", range(4))
def test_iou_is_the_released_one(geometry, index):
    prediction, mask = answer(geometry, index) > THRESHOLD, geometry[f"mask_{index}"]
    iou = (prediction & mask).sum() / ((prediction | mask).sum() + 1e-6)
    assert iou == pytest.approx(float(geometry[f"iou_{index}"]), rel=1e-3)
