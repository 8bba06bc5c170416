"""SAM 3: masks of all things that fit the sentence."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from cris.engines.engine import Features
from cris.huggingface.images import ImageSettings, read_image_settings
from cris.huggingface.model import MASK_THRESHOLD, PromptedMask, PromptedModel, ready
from cris.model.config import InferenceConfig

SCORE_THRESHOLD = 0.3
"""Score that a thing must exceed to count: the default of transformers."""
_SENTENCE_LENGTH = 32
"""Tokens per sentence, to which transformers fills up every sentence."""


class Sam3(PromptedModel):
    """Model of SAM 3's kind, such as facebook/sam3; everything that fits the sentence is found."""

    def __init__(self, folder: Path, model: Any, tokenizer: Any, device: torch.device) -> None:
        self.inference = sam3_inference(folder, model.config)
        self.images = _image_settings(folder)
        self.model = ready(model, device)
        self.tokenizer = tokenizer
        self.device = device

    def encode(self, images: Sequence[UInt8[np.ndarray, "height width 3"]]) -> list[Features]:
        """Encode images, as `PromptedModel.encode` says."""
        features = []
        for image in images:
            seen = self.model.get_vision_features(pixel_values=self.pixels([self.images.apply(image)]))
            features.append((*seen.fpn_hidden_states, *seen.fpn_position_encoding))
        return features

    def segment(
        self, features: Sequence[Features], sizes: Sequence[tuple[int, int]], sentences: Sequence[str]
    ) -> list[PromptedMask]:
        """Answer sentences, as `PromptedModel.segment` says."""
        return list(map(self._answer, features, sentences))

    def _answer(self, features: Features, sentence: str) -> PromptedMask:
        from transformers.models.sam3.modeling_sam3 import Sam3VisionEncoderOutput

        levels = len(features) // 2
        seen = Sam3VisionEncoderOutput(
            fpn_hidden_states=features[:levels], fpn_position_encoding=features[levels:]
        )
        tokens = self.tokens([sentence], is_full_length=True)
        found = self.model(
            vision_embeds=seen, input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        )
        scores = (found.pred_logits.sigmoid() * found.presence_logits.sigmoid())[0]
        best = scores.max()
        counted = (scores > SCORE_THRESHOLD) | (scores == best)  # the best in any case, for lower thresholds
        logits = found.pred_masks[0][counted].amax(dim=0)
        return PromptedMask(logits.float().cpu().numpy(), float(best))

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Return rows and columns of the grid, as `PromptedModel.grid` says: 3.5 input pixels a cell."""
        rows, columns = self.images.resized(height, width)
        return max(1, rows * 2 // 7), max(1, columns * 2 // 7)


def sam3_inference(folder: Path, config: Any) -> InferenceConfig:
    """Return the settings of a model of this kind."""
    return InferenceConfig(
        input_size=max(_image_settings(folder).size.values()),
        sentence_length=_SENTENCE_LENGTH,
        threshold=MASK_THRESHOLD,
        presence_threshold=SCORE_THRESHOLD,
    )


def _image_settings(folder: Path) -> ImageSettings:
    half = (0.5, 0.5, 0.5)
    defaults = ImageSettings(size={"height": 1008, "width": 1008}, image_mean=half, image_std=half)
    return read_image_settings(folder, defaults)
