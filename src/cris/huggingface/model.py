"""Interface of a text-prompted model of transformers, and what its implementations share."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn

from cris.engines.engine import Features
from cris.errors import InputError
from cris.model.config import InferenceConfig
from cris.model.tokenizer import BLANK

MASK_THRESHOLD = 0.5
"""Probability above which transformers takes a pixel for part of a mask."""


class PromptedMask(NamedTuple):
    """Model's answer to one sentence."""

    logits: Float32[np.ndarray, "rows columns"]
    """Scores of a grid over the whole image, before the sigmoid."""
    certainty: float | None = None
    """Score of a detector's best hit, from 0 to 1; None without a detector."""


class PromptedModel(ABC):
    """Model that is asked by text: images in, features out; features and sentences in, answers out."""

    inference: InferenceConfig
    """Size of its input, length of its sentences, and its thresholds."""
    device: torch.device
    tokenizer: Any
    """Tokenizer of transformers."""

    @abstractmethod
    def encode(self, images: Sequence[UInt8[np.ndarray, "height width 3"]]) -> list[Features]:
        """Return, for each image, everything that does not depend on a sentence."""

    @abstractmethod
    def segment(
        self, features: Sequence[Features], sizes: Sequence[tuple[int, int]], sentences: Sequence[str]
    ) -> list[PromptedMask]:
        """Return the answer to each sentence about its image, of that height and width in pixels."""

    @abstractmethod
    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Return rows and columns of the finest grid that the model draws on an image of this size."""

    def cut(self, sentence: str) -> str | None:
        """Return the end of the sentence that the model does not read; None when it reads all.

        Raises InputError for a blank sentence.
        """
        if not sentence.strip():
            raise InputError(BLANK.format(sentence))
        text = self.prompt(sentence)
        room = self.inference.sentence_length - self.tokenizer.num_special_tokens_to_add()
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        offsets = encoded["offset_mapping"]
        return text[offsets[room][0] :] if len(offsets) > room else None

    def prompt(self, sentence: str) -> str:
        """Return the text that the model reads for a sentence."""
        return " ".join(sentence.split())

    def tokens(self, sentences: Sequence[str], *, is_full_length: bool = False) -> dict[str, Tensor]:
        """Return the tokens of sentences, cut and padded, on the model's device."""
        encoded = self.tokenizer(
            list(map(self.prompt, sentences)),
            padding="max_length" if is_full_length else True,
            truncation=True,
            max_length=self.inference.sentence_length,
            return_tensors="pt",
        )
        return {name: tensor.to(self.device) for name, tensor in encoded.items()}

    def pixels(self, values: Sequence[Float32[np.ndarray, "3 rows columns"]]) -> Tensor:
        """Return prepared images as a batch on the model's device."""
        return torch.from_numpy(np.stack(values)).to(self.device)


def ready(module: nn.Module, device: torch.device) -> Any:
    """Return a model of transformers on the device, for inference alone."""
    return module.to(device).eval().requires_grad_(False)
