"""Common base of the engines for exported models: one graph for images, one for sentences about them."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float32, Int64

from cris.engines.engine import Engine, Features, only_cpu
from cris.engines.export_folder import IMAGE_OUTPUTS, graph_files
from cris.engines.formats import FORMATS, Format, Precision
from cris.errors import InputError
from cris.model.config import CrisConfig
from cris.model.output import ModelOutput


class GraphEngine(Engine):
    """Base class that runs the two graphs of an export on a subclass's runtime."""

    format: ClassVar[Format]
    batch_size = 1

    def __init__(
        self, folder: Path, config: CrisConfig, device: str = "auto", precision: Precision = "fp32"
    ) -> None:
        self.device = only_cpu(device, FORMATS[self.format].engine)
        self.precision = precision
        self.config = config
        self._image, self._sentence = map(self._opened, graph_files(folder, self.format))

    def _opened(self, file: Path) -> Any:
        try:
            return self._open(file)
        except MemoryError:
            raise
        except Exception as error:  # each runtime has errors of its own
            raise InputError(f"{file} cannot be opened: export the model again ({error})") from error

    @abstractmethod
    def _open(self, file: Path) -> Any:
        """Return one graph, ready to run."""

    @abstractmethod
    def _run(
        self, graph: Any, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> Sequence[np.ndarray]:
        """Return those of the named outputs that the graph has, in its order; `inputs` are in its order too.

        All graphs have the first output; a folder of an older version may lack some of the last.
        """

    def encode_image(self, images: Float32[np.ndarray, "images 3 height width"]) -> list[Features]:
        """Encode images, as `Engine.encode_image` says."""
        features = self._run(self._image, {"images": images}, IMAGE_OUTPUTS)
        return [tuple(feature[row : row + 1].copy() for feature in features) for row in range(len(images))]

    def segment(
        self,
        images: Sequence[Features],
        tokens: Int64[np.ndarray, "sentences tokens"],
        index: Int64[np.ndarray, "sentences"],
    ) -> ModelOutput:
        """Answer sentences, as `Engine.segment` says."""
        features = map(np.concatenate, zip(*images, strict=True))
        inputs = dict(zip(IMAGE_OUTPUTS, features, strict=True)) | {"tokens": tokens, "image_index": index}
        return ModelOutput(*self._run(self._sentence, inputs, ModelOutput._fields))
