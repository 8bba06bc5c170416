"""What every engine does for a segmenter."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Int64

from cris.errors import InputError
from cris.model.config import CrisConfig
from cris.model.output import ModelOutput

EngineName = Literal["torch", "onnx", "openvino"]
Precision = Literal["fp32", "bf16", "int8"]
Features = tuple[Any, ...]
"""What an engine knows of one picture: arrays of its own kind, which slice, join and tell their `nbytes`."""


BATCH_SIZE = 8
"""Pictures, and sentences, that go through an accelerator at a time."""


class Engine(ABC):
    """Runs a model: pictures in, features out; features and sentences in, answers out."""

    config: CrisConfig
    """The model's sizes."""
    device: str
    """Where it runs."""
    batch_size: int
    """Pictures, and sentences, that suit it at a time."""

    @abstractmethod
    def encode_image(self, images: Float32[np.ndarray, "pictures 3 height width"]) -> list[Features]:
        """For each normalised picture, everything that does not depend on a sentence.

        Each is a copy, so that keeping one picture does not keep its batch.
        """

    @abstractmethod
    def segment(
        self,
        pictures: Sequence[Features],
        tokens: Int64[np.ndarray, "sentences tokens"],
        index: Int64[np.ndarray, "sentences"],
    ) -> ModelOutput:
        """Return what each sentence gets about the picture at its place in `index`: float32 arrays."""


def only_cpu(device: str, engine: EngineName) -> str:
    """The device, for an engine that runs on the CPU alone; InputError for any other."""
    if device not in ("auto", "cpu"):
        raise InputError(f'the engine {engine} runs on the device cpu, got {device!r}: use engine="torch"')
    return "cpu"
