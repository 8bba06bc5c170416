"""An exported model on onnxruntime, without torch."""

from pathlib import Path

from cris.engines.exported import read_exported
from cris.engines.onnx_engine import OnnxEngine
from cris.errors import InputError
from cris.segmenter import Segmenter


class OnnxSegmenter(Segmenter):
    """A `Segmenter` for a folder that `cris export --format onnx` wrote (docs/export.md)."""

    def __init__(self, folder: str | Path, *, batch_size: int | None = None, is_strict: bool = False) -> None:
        """Reads the folder.

        Args:
            folder: what `cris export --format onnx` wrote.
            batch_size: pictures, and sentences, that go through the model at a time.
            is_strict: whether a sentence that is too long is an error; else it is cut, with a warning.

        Raises:
            InputError: no such folder, or one of another format.
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
