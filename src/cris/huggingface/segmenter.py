"""Segmenter of a text-prompted model of the Hugging Face hub."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool

from cris.engines.engine import BATCH_SIZE
from cris.engines.torch_engine import choose_device
from cris.errors import InputError
from cris.huggingface.load import load_prompted
from cris.huggingface.model import MASK_THRESHOLD, PromptedModel
from cris.image import ImageSource, read_image
from cris.letterbox import Stretch
from cris.model.output import ModelOutput
from cris.segmenter import EncodedImage, Segmenter


class HuggingFaceSegmenter(Segmenter):
    """Segmenter that asks a model of transformers; all else is as for a model of ours."""

    def __init__(
        self, model: PromptedModel, *, batch_size: int | None = None, is_strict: bool = False
    ) -> None:
        """Wrap a model.

        Args:
            model: with the weights to use, on its device.
            batch_size: images, and sentences, that go through the model at a time.
            is_strict: whether a sentence that is too long is an error; else it is cut, with a warning.
        """
        usual = 1 if model.device.type == "cpu" else BATCH_SIZE
        self._set_up(str(model.device), model.inference, batch_size or usual, is_strict=is_strict)
        self.model = model

    @property
    def _runner(self) -> str:
        return type(self.model).__name__

    @torch.inference_mode()
    def _encode(self, images: Sequence[ImageSource]) -> list[EncodedImage]:
        arrays = [read_image(image) for image in images]
        return [
            EncodedImage(
                segmenter=self,
                image=array,
                letterbox=Stretch(len(array), len(array[0])),
                features=features,
            )
            for array, features in zip(arrays, self.model.encode(arrays), strict=True)
        ]

    @torch.inference_mode()
    def _segment(
        self, encoded: Sequence[EncodedImage], rows: Sequence[int], sentences: Sequence[str]
    ) -> list[tuple[ModelOutput, float]]:
        asked = [encoded[row] for row in rows]
        sizes = [(each.letterbox.height, each.letterbox.width) for each in asked]
        outputs = []
        for answer in self.model.segment([each.features for each in asked], sizes, sentences):
            certainty = answer.certainty
            presence = None if certainty is None else _logit(certainty)
            output = ModelOutput(logits=answer.logits[None], presence=presence)
            outputs.append((output, 1.0 if certainty is None else certainty))
        return outputs

    def cut(self, sentence: str) -> str | None:
        """Return the end of the sentence that the model does not read; None when it reads all."""
        return self.model.cut(sentence)

    def ceiling(self, mask: Bool[np.ndarray, "height width"]) -> float:
        """Return the IoU that a perfect model with this model's grid would reach."""
        rows, columns = self.model.grid(*mask.shape)
        shrunk = cv2.resize(mask.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
        found = Stretch(*mask.shape).restore(shrunk) > MASK_THRESHOLD
        return float((found & mask).sum() / max((found | mask).sum(), 1))


def _logit(probability: float) -> float:
    """Return the logit of a probability, finite also where that rounds to 0 or 1."""
    return float(np.log(max(probability, 1e-7) / max(1 - probability, 1e-7)))


def open_segmenter(
    folder: Path,
    device: str,
    *,
    engine: str | None,
    precision: str | None,
    is_compiled: bool,
    batch_size: int | None,
    is_strict: bool,
    image_encoder: object,
) -> HuggingFaceSegmenter:
    """Return a segmenter of a folder's model; the options are those of `Segmenter.from_pretrained`.

    Raises InputError also for options of our own models alone.
    """
    if engine not in (None, "torch") or precision not in (None, "fp32"):
        raise InputError(
            f"a model of the hub runs on torch in fp32, got engine {engine or 'torch'} and precision "
            f"{precision or 'fp32'}: leave them out"
        )
    if is_compiled or image_encoder is not None:
        raise InputError("is_compiled and image_encoder are for models of cris: leave them out")
    if batch_size is not None and batch_size < 1:
        raise InputError(f"batch_size must be at least 1, got {batch_size}")
    return HuggingFaceSegmenter(
        load_prompted(folder, choose_device(device)), batch_size=batch_size, is_strict=is_strict
    )
