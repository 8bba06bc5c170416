"""CLIPSeg: one probability for each pixel of the model's input."""

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


class ClipSeg(PromptedModel):
    """Model of CLIPSeg's kind, such as CIDAS/clipseg-rd64-refined."""

    def __init__(self, folder: Path, model: Any, tokenizer: Any, device: torch.device) -> None:
        self.inference = clipseg_inference(folder, model.config)
        self.images = _image_settings(folder)
        self.model = ready(model, device)
        self.tokenizer = tokenizer
        self.device = device

    def encode(self, images: Sequence[UInt8[np.ndarray, "height width 3"]]) -> list[Features]:
        """Encode images, as `PromptedModel.encode` says."""
        seen = self.model.clip.vision_model(
            pixel_values=self.pixels([self.images.apply(image) for image in images]),
            interpolate_pos_encoding=True,
            output_hidden_states=True,
        )
        layers = [seen.hidden_states[layer + 1] for layer in self.model.extract_layers]
        return [tuple(layer[row : row + 1].clone() for layer in layers) for row in range(len(images))]

    def segment(
        self, features: Sequence[Features], sizes: Sequence[tuple[int, int]], sentences: Sequence[str]
    ) -> list[PromptedMask]:
        """Answer sentences, as `PromptedModel.segment` says."""
        layers = tuple(map(torch.cat, zip(*features, strict=True)))
        text = self.model.clip.text_model(**self.tokens(sentences)).pooler_output
        logits = self.model.decoder(layers, self.model.clip.text_projection(text)).logits
        return [PromptedMask(each.float().cpu().numpy()) for each in logits]

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Return rows and columns of the grid, as `PromptedModel.grid` says: those of the input."""
        return self.images.resized(height, width)


def clipseg_inference(folder: Path, config: Any) -> InferenceConfig:
    """Return the settings of a model of this kind."""
    return InferenceConfig(
        input_size=max(_image_settings(folder).size.values()),
        sentence_length=config.text_config.max_position_embeddings,
        threshold=MASK_THRESHOLD,
    )


def _image_settings(folder: Path) -> ImageSettings:
    half = (0.5, 0.5, 0.5)
    defaults = ImageSettings(size={"height": 224, "width": 224}, image_mean=half, image_std=half)
    return read_image_settings(folder, defaults)
