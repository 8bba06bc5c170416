"""Segmenter for exported models on onnxruntime, without torch."""

from pathlib import Path

from cris.engines.export_folder import read_exported
from cris.engines.onnx_engine import OnnxEngine
from cris.errors import InputError
from cris.segmenter import Segmenter


class OnnxSegmenter(Segmenter):
    """A `Segmenter` for a folder that `cris export --format onnx` wrote (docs/export.md)."""

    def __init__(self, folder: str | Path, *, batch_size: int | None = None, is_strict: bool = False) -> None:
        """Read the folder.

        Args:
            folder: a folder that `cris export --format onnx` wrote.
            batch_size: images, or sentences, that go through the model at a time.
            is_strict: True to raise an error for a sentence that is too long; else it is cut, with a warning.

        Raises:
            InputError: there is no such folder, or it has another format.
        """
        exported = read_exported(folder)
        if exported.format != "onnx":
            raise InputError(f"{folder} must hold an ONNX export, it holds one in {exported.format}")
        super().__init__(
            OnnxEngine(exported.folder, exported.config.model),
            exported.tokenizer,
            exported.config.inference,
            batch_size=batch_size,
            is_strict=is_strict,
        )
        self._remember(folder, type(self), (folder,), {"batch_size": batch_size, "is_strict": is_strict})
