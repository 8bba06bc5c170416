"""Batches of scenes: several sentences for each picture, made when asked for."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cris.data.scenes import Scenes
from cris.letterbox import Letterbox, normalise
from cris.model.config import InferenceConfig
from cris.model.tokenizer import Tokenizer


@dataclass(frozen=True)
class Batch:
    """N sentences about B pictures."""

    images: Float[Tensor, "pictures 3 height width"]
    tokens: Int[Tensor, "sentences tokens"]
    image_index: Int[Tensor, "sentences"]
    masks: Float[Tensor, "sentences 1 height width"]

    def to(self, device: torch.device) -> "Batch":
        """The same on a device, pictures channels-last."""
        return Batch(
            images=self.images.to(device, memory_format=torch.channels_last),
            tokens=self.tokens.to(device),
            image_index=self.image_index.to(device),
            masks=self.masks.to(device),
        )


def scene_batch(
    scenes: Scenes,
    indices: list[int],
    *,
    sentences: int,
    tokenizer: Tokenizer,
    inference: InferenceConfig,
) -> Batch:
    """The scenes at `indices` with up to `sentences` sentences each."""
    images, texts, owners, masks = [], [], [], []
    for row, index in enumerate(indices):
        scene = scenes.scene(index, sentences)
        height, width = scene.image.shape[:2]
        letterbox = Letterbox(height, width, inference.input_size, inference.protocol)
        images.append(letterbox.apply(scene.image))
        for expression in scene.expressions:
            mask = np.zeros((height, width), dtype=bool)
            for target in expression.targets:
                mask |= scene.objects[target].mask
            texts.append(expression.sentence)
            owners.append(row)
            masks.append(letterbox.apply_mask(mask))
    tokens = tokenizer(texts, inference.sentence_length)
    longest = int(tokens.argmax(dim=1).max()) + 1
    return Batch(
        images=torch.from_numpy(normalise(np.stack(images))),
        tokens=tokens[:, :longest],
        image_index=torch.tensor(owners),
        masks=torch.from_numpy(np.stack(masks))[:, None],
    )
