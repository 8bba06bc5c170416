"""Images and sentences that an export is checked and, in int8, calibrated with."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from cris.card import DOMAIN, RENDERED_SCENES
from cris.config_file import StoredConfig
from cris.demo.photographs import photographs
from cris.errors import InputError
from cris.image import read_image
from cris.letterbox import Letterbox, normalise
from cris.model.tokenizer import Tokenizer

Pair = tuple[UInt8[np.ndarray, "height width 3"], str]
"""Image, and a sentence about it."""
CROPS = 4
"""Crops of each photograph of the package, to calibrate with."""
CalibrationSource = str | Path | Iterable[Pair]
"""Photographs of the package ("photographs"), rendered "scenes", a folder of `cris data`, or pairs."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ExportSample:
    """One image and one sentence, as the model reads them."""

    image: Float32[np.ndarray, "1 3 size size"]
    tokens: Int64[np.ndarray, "1 length"]
    is_crop: bool = False
    """True if its sentence may mean nothing in it: it widens ranges of values, and masks are not compared."""


def default_calibration(card: Mapping[str, str]) -> str:
    """Return "scenes" for a model whose card's fields say that it knows these alone, else "photographs"."""
    return "scenes" if card.get(DOMAIN) == RENDERED_SCENES else "photographs"


def calibration_samples(
    source: CalibrationSource, limit: int, config: StoredConfig, tokenizer: Tokenizer
) -> list[ExportSample]:
    """Return up to `limit` samples of a source, as the model reads them.

    Raises:
        InputError: the source is no folder that `cris data` wrote.
    """
    pairs = _pairs(source) if isinstance(source, str | Path) else source
    samples = as_samples(islice(pairs, limit), config, tokenizer)
    if source == "photographs":
        crops = as_samples(islice(packaged_crops(), limit - len(samples)), config, tokenizer)
        samples += [replace(crop, is_crop=True) for crop in crops]
    return samples


def as_samples(pairs: Iterable[Pair], config: StoredConfig, tokenizer: Tokenizer) -> list[ExportSample]:
    """Return images with their sentences, letterboxed and tokenized as a segmenter does it."""
    inference = config.inference
    samples = []
    for pixels, sentence in pairs:
        height, width = pixels.shape[:2]
        letterbox = Letterbox(height, width, inference.input_size, inference.protocol)
        image = normalise(letterbox.apply(pixels))[None]
        tokens = tokenizer.encode([sentence], inference.sentence_length)
        samples.append(ExportSample(image=image, tokens=tokens))
    return samples


def packaged_pairs() -> Iterator[Pair]:
    """Yield the photographs that come with the package, with each of their sentences."""
    for photograph in photographs():
        image = read_image(photograph.path)
        yield from ((image, each.sentence) for each in photograph.asked)


def packaged_crops() -> Iterator[Pair]:
    """Yield crops of these photographs, some of them mirrored, darker or lighter, the same each time.

    The ranges of values that a dozen photographs alone have are too narrow for others.
    """
    generator = np.random.default_rng(0)
    for photograph in photographs():
        image = read_image(photograph.path)
        yield from ((_crop(image, generator), photograph.asked[0].sentence) for _ in range(CROPS))


def _crop(
    image: UInt8[np.ndarray, "height width 3"], generator: np.random.Generator
) -> UInt8[np.ndarray, "rows columns 3"]:
    """Return a part of an image, 0.4 to 1 of each side, mirrored or not, darker or lighter."""
    share = generator.uniform(0.4, 1)
    height, width = (int(side * share) for side in image.shape[:2])
    top = generator.integers(image.shape[0] - height + 1)
    left = generator.integers(image.shape[1] - width + 1)
    part = image[top : top + height, left : left + width]
    if generator.random() < 0.5:
        part = part[:, ::-1]
    return (part * generator.uniform(0.6, 1.3)).clip(0, 255).astype(np.uint8)


def noise_samples(count: int, config: StoredConfig) -> list[ExportSample]:
    """Return images and sentences of random values, always the same: they reach all of the arithmetic."""
    generator = np.random.default_rng(0)
    size, length = config.inference.input_size, config.inference.sentence_length
    vocabulary = config.model.text.vocabulary
    samples = []
    for _ in range(count):
        tokens = np.zeros((1, length), dtype=np.int64)
        words = int(generator.integers(1, length - 1))
        tokens[0, 0], tokens[0, words + 1] = vocabulary - 2, vocabulary - 1
        tokens[0, 1 : words + 1] = generator.integers(1, vocabulary - 2, words)
        image = generator.integers(0, 256, (size, size, 3), dtype=np.uint8)
        samples.append(ExportSample(image=normalise(image)[None], tokens=tokens))
    return samples


def _pairs(source: str | Path) -> Iterator[Pair]:
    if source == "photographs":
        return packaged_pairs()
    from cris.data.open import is_dataset, open_dataset  # here, as few exports need it

    if not is_dataset(source):
        raise InputError(
            f"calibration must be photographs, scenes, a folder that cris data wrote, or pairs of an image "
            f"and a sentence, got {str(source)!r}"
        )
    dataset = open_dataset(source, split="train")
    return ((sample.image, sample.sentence) for sample in map(dataset.__getitem__, range(len(dataset))))
