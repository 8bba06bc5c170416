"""Interface that every engine offers a segmenter."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from cris.engines.formats import EngineName
from cris.errors import InputError
from cris.model.config import CrisConfig
from cris.model.output import ModelOutput

Features = tuple[Any, ...]
"""Encoding of one image: arrays of the engine's kind, which can be sliced and joined and have `nbytes`."""


BATCH_SIZE = 8
"""Images, or sentences, per batch on an accelerator."""


class Engine(ABC):
    """Interface of a running model: images in, features out; features and sentences in, answers out."""

    config: CrisConfig
    """Sizes of the model."""
    device: str
    """Device that it runs on."""
    batch_size: int
    """Images, or sentences, per batch that suit the device."""

    @abstractmethod
    def encode_image(self, images: Float32[np.ndarray, "images 3 height width"]) -> list[Features]:
        """Return, for each normalised image, everything that does not depend on a sentence.

        Each result is a copy, so that keeping one image's features does not keep the whole batch.
        """

    @abstractmethod
    def segment(
        self,
        images: Sequence[Features],
        tokens: Int64[np.ndarray, "sentences tokens"],
        index: Int64[np.ndarray, "sentences"],
    ) -> ModelOutput:
        """Return each sentence's answer about the image at its place in `index`, as float32 arrays."""


def only_cpu(device: str, engine: EngineName) -> str:
    """Return the device, for an engine that runs on the CPU only; raise InputError for any other."""
    if device not in ("auto", "cpu"):
        raise InputError(f'the engine {engine} runs on the device cpu, got {device!r}: use engine="torch"')
    return "cpu"
