"""docs/python.md names every public method and attribute of the classes that people use."""

import inspect
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, is_dataclass
from pathlib import Path

import numpy as np
import pytest

import cris.conversions
from cris import Prediction, Segmenter, studies
from cris.segmenter import EncodedImage

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "python.md").read_text(encoding="utf-8")


def public(kind: type) -> set[str]:
    names = {name for name, _ in inspect.getmembers(kind)} | (
        {each.name for each in fields(kind)} if is_dataclass(kind) else set()
    )
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("kind", [Segmenter, EncodedImage, Prediction])
def test_every_public_name_is_on_the_page(kind: type) -> None:
    missing = {name for name in public(kind) if f".{name}" not in PAGE}
    assert missing - {"from_output"} == set()


def test_attributes_of_a_segmenter_are_on_the_page() -> None:
    segmenter = Segmenter.from_pretrained("cris-scenes", "cpu")
    names = {name for name in vars(segmenter) if not name.startswith("_")}
    assert {name for name in names if f".{name}" not in PAGE} == set()


def test_conversions_of_several_predictions_are_on_the_page() -> None:
    functions = {
        name
        for name, value in vars(cris.conversions).items()
        if name.startswith("to_") and inspect.isfunction(value) and value.__module__ == "cris.conversions"
    }
    assert {name for name in functions - {"to_png"} if f"`{name}`" not in PAGE} == set()


def test_every_argument_of_training_and_every_study_is_on_the_page() -> None:
    arguments = inspect.signature(cris.train).parameters
    assert {name for name in arguments if f"`{name}`" not in PAGE and f"`**{name}`" not in PAGE} == set()
    assert {name for name in studies.__all__ if f"`{name}(" not in PAGE} == set()


def test_several_threads_get_the_answers_that_each_would_get_alone() -> None:

    segmenter = Segmenter.from_pretrained("cris-scenes", "cpu")
    images = [np.random.default_rng(n).integers(0, 256, (64, 64, 3), dtype=np.uint8) for n in range(4)]
    asked = [(image, f"the {colour} ring") for image in images for colour in ("red", "blue")]
    alone = [segmenter.predict(*each).grid for each in asked]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda each: segmenter.predict(*each).grid, asked))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
