"""Grounding DINO and SAM: the box that fits the sentence best, and the mask in it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from cris.engines.engine import Features
from cris.huggingface.images import ImageSettings, read_image_settings
from cris.huggingface.model import MASK_THRESHOLD, PromptedMask, PromptedModel, ready
from cris.model.config import InferenceConfig

BOX_THRESHOLD = 0.25
"""Score that a box must exceed, or nothing is found: the default of transformers."""


class GroundedSam(PromptedModel):
    """Detector of Grounding DINO's kind with SAM: IDEA-Research/grounding-dino-tiny+facebook/sam-vit-base.

    A referring expression means one thing, so the best box counts, and no other. SAM encodes an image once;
    the detector looks at it anew for each sentence, which it reads while it looks.
    """

    def __init__(
        self,
        folders: tuple[Path, Path],
        detector: Any,
        sam: Any,
        tokenizer: Any,
        device: torch.device,
    ) -> None:
        self.inference = grounded_inference(folders[1], detector.config)
        edges = {"shortest_edge": 800, "longest_edge": 1333}
        self.detector_images = read_image_settings(folders[0], ImageSettings(size=edges))
        self.images = _sam_settings(folders[1])
        self.detector, self.sam = ready(detector, device), ready(sam, device)
        self.tokenizer = tokenizer
        self.device = device

    def prompt(self, sentence: str) -> str:
        """Return the sentence as one phrase: the detector takes a dot for the end of a phrase."""
        text = sentence.lower().replace(".", " ").replace("?", " ")
        return f"{' '.join(text.split())}."

    def encode(self, images: Sequence[UInt8[np.ndarray, "height width 3"]]) -> list[Features]:
        """Encode images, as `PromptedModel.encode` says."""
        return [
            (
                self.pixels([self.detector_images.apply(image)]),
                self.sam.get_image_embeddings(self.pixels([self.images.apply(image)])),
            )
            for image in images
        ]

    def segment(
        self, features: Sequence[Features], sizes: Sequence[tuple[int, int]], sentences: Sequence[str]
    ) -> list[PromptedMask]:
        """Answer sentences, as `PromptedModel.segment` says."""
        return [self._answer(*each) for each in zip(features, sizes, sentences, strict=True)]

    def _answer(self, features: Features, size: tuple[int, int], sentence: str) -> PromptedMask:
        pixels, embedding = features
        found = self.detector(pixel_values=pixels, **self.tokens([sentence]))
        scores = found.logits[0].sigmoid().amax(dim=-1)
        best = int(scores.argmax())
        box = self._in_sam(found.pred_boxes[0, best], size)
        masks = self.sam(image_embeddings=embedding, input_boxes=box[None, None], multimask_output=False)
        return PromptedMask(self._at_image(masks.pred_masks[0], size), float(scores[best]))

    def _in_sam(self, box: Tensor, size: tuple[int, int]) -> Tensor:
        """Return left, top, right, bottom in SAM's pixels of centre and size in shares of the image."""
        height, width = self.images.resized(*size)
        x, y, w, h = box
        sides = torch.tensor([width, height, width, height], device=self.device)
        return torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2]) * sides

    def _at_image(self, masks: Tensor, size: tuple[int, int]) -> np.ndarray:
        """Return SAM's scores as transformers does: enlarged to its square, cropped, and at the image's size.

        An image that is larger than SAM's square is left to whoever draws the mask.
        """
        rows, columns = self.images.resized(*size)
        square = self.images.pad_size or {"height": rows, "width": columns}
        large = interpolate(masks, (square["height"], square["width"]), mode="bilinear", align_corners=False)
        cropped = large[..., :rows, :columns]
        if size[0] * size[1] <= rows * columns:
            cropped = interpolate(cropped, size, mode="bilinear", align_corners=False)
        return cropped[0, 0].float().cpu().numpy()

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Return rows and columns of the grid, as `PromptedModel.grid` says: 4 pixels of the input a cell."""
        rows, columns = self.images.resized(height, width)
        return max(1, rows // 4), max(1, columns // 4)


def grounded_inference(folder: Path, config: Any) -> InferenceConfig:
    """Return the settings of SAM in that folder with a detector of this configuration."""
    return InferenceConfig(
        input_size=max(_sam_settings(folder).size.values()),
        sentence_length=config.max_text_len,
        threshold=MASK_THRESHOLD,
        presence_threshold=BOX_THRESHOLD,
    )


def _sam_settings(folder: Path) -> ImageSettings:
    return read_image_settings(
        folder,
        ImageSettings(size={"longest_edge": 1024}, do_pad=True, pad_size={"height": 1024, "width": 1024}),
    )
