"""Engine for the model on torch, on any of its devices."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from cris.engines.engine import BATCH_SIZE, Engine, Features
from cris.errors import InputError
from cris.model.clip_text import TextFeatures
from cris.model.cris import Cris
from cris.model.neck import ImageFeatures
from cris.model.output import ModelOutput

REMEMBERED_SENTENCES = 256
"""Number of text encodings kept: 9 MB for the paper's sizes and 17 tokens."""


class TorchEngine(Engine):
    """Engine for a model as it is, in training or fused (see `cris.model.fuse`)."""

    def __init__(
        self, model: Cris, device: str = "auto", *, is_fixed: bool = False, is_compiled: bool = False
    ) -> None:
        """Move the model to the device and put it into evaluation mode.

        Args:
            model: the model, with the weights to use.
            device: "cpu", "cuda", "cuda:1", "mps"…, or "auto" for the first of CUDA, Apple's MPS and the CPU.
            is_fixed: True if its weights stay as they are, so that text encodings may be cached.
            is_compiled: True to compile it with torch, on first use of each batch size up to a few; needs a
                C++ compiler on the CPU.
        """
        place = choose_device(device)
        self.device = str(place)
        self.batch_size = (
            2 if place.type == "cpu" else BATCH_SIZE
        )  # on a CPU more take more memory and no less time
        self.config = model.config
        self.model = model.to(place).eval()
        if place.type == "cuda":
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._dtype = model.text_encoder.projection.dtype
        self._remembered: OrderedDict[bytes, TextFeatures] | None = OrderedDict() if is_fixed else None
        self._lock = Lock()
        compiled: Callable[[Any], Any] = torch.compile if is_compiled else lambda function: function
        self._encode_image = compiled(lambda images: self.model.encode_image(images))
        self._segment = compiled(lambda image, text, index: self.model.segment(image, text, index))

    @torch.inference_mode()
    def encode_image(self, images: Float32[np.ndarray, "images 3 height width"]) -> list[Features]:
        """Encode images, as `Engine.encode_image` says; features stay on the device."""
        features = self._encode_image(self._tensor(images).to(self._dtype))
        return [
            ImageFeatures(*(feature[row : row + 1].clone() for feature in features))
            for row in range(len(images))
        ]

    @torch.inference_mode()
    def segment(
        self,
        images: Sequence[Features],
        tokens: Int64[np.ndarray, "sentences tokens"],
        index: Int64[np.ndarray, "sentences"],
    ) -> ModelOutput:
        """Answer sentences, as `Engine.segment` says."""
        image = ImageFeatures(*map(torch.cat, zip(*images, strict=True)))
        output: ModelOutput = self._segment(image, self._encode_text(tokens), self._tensor(index))
        return output.map(lambda answer: answer.float().cpu().numpy())

    def _encode_text(self, tokens: Int64[np.ndarray, "sentences tokens"]) -> TextFeatures:
        """Return text encodings; for a fixed model, only sentences not seen lately are encoded."""
        if self._remembered is None:
            return self.model.encode_text(self._tensor(tokens))
        keys = [row.tobytes() for row in tokens]
        with self._lock:
            known = {key: self._remembered[key] for key in keys if key in self._remembered}
        if new := {key: row for key, row in zip(keys, tokens, strict=True) if key not in known}:
            encoded = self.model.encode_text(self._tensor(np.stack([*new.values()])))
            for place, key in enumerate(new):
                known[key] = TextFeatures(*(feature[place : place + 1] for feature in encoded))
        with self._lock:
            for key in keys:
                self._remembered[key] = known[key]
                self._remembered.move_to_end(key)
            while len(self._remembered) > REMEMBERED_SENTENCES:
                self._remembered.popitem(last=False)
        return TextFeatures(*map(torch.cat, zip(*(known[key] for key in keys), strict=True)))

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self.device)


def choose_device(name: str) -> torch.device:
    """Return the named device, or for "auto" the first available of CUDA, Apple's MPS and the CPU.

    Raises InputError when this machine has no such device.
    """
    here = devices_here()
    wanted = {"auto": here[0], "cuda": "cuda:0"}.get(name, name)
    if wanted not in here:
        raise InputError(f"device must be auto or what this machine has ({', '.join(here)}), got {name!r}")
    return torch.device(wanted)


def devices_here() -> list[str]:
    """Return the names of this machine's devices, the fastest first."""
    cuda = (
        [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    )
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return [*cuda, *mps, "cpu"]
