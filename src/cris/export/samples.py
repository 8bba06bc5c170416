"""Images and sentences that an export is calibrated and checked with."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from cris.config_file import StoredConfig
from cris.demo.photographs import photographs
from cris.letterbox import Letterbox, normalise
from cris.model.tokenizer import Tokenizer
from cris.picture import read_picture


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """One image and one sentence, as the model reads them."""

    image: Float32[np.ndarray, "1 3 size size"]
    tokens: Int64[np.ndarray, "1 length"]


def as_samples(
    pairs: Iterable[tuple[UInt8[np.ndarray, "height width 3"], str]],
    config: StoredConfig,
    tokenizer: Tokenizer,
) -> list[Sample]:
    """Return images with their sentences, letterboxed and tokenized as a segmenter does it."""
    inference = config.inference
    samples = []
    for picture, sentence in pairs:
        height, width = picture.shape[:2]
        letterbox = Letterbox(height, width, inference.input_size, inference.protocol)
        image = normalise(letterbox.apply(picture))[None]
        tokens = tokenizer.encode([sentence], inference.sentence_length)
        samples.append(Sample(image=image, tokens=tokens))
    return samples


def packaged_pairs() -> Iterator[tuple[UInt8[np.ndarray, "height width 3"], str]]:
    """Yield the photographs that come with the package, with each of their sentences."""
    for photograph in photographs():
        picture = read_picture(photograph.path)
        yield from ((picture, each.sentence) for each in photograph.asked)


def noise_samples(count: int, config: StoredConfig) -> list[Sample]:
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
        picture = generator.integers(0, 256, (size, size, 3), dtype=np.uint8)
        samples.append(Sample(image=normalise(picture)[None], tokens=tokens))
    return samples
