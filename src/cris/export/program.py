"""The model as two programs: images → features, and features with sentences → answers."""

import copy

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from cris.config_file import StoredConfig
from cris.engines.export_folder import IMAGE_OUTPUTS
from cris.model.cris import Cris
from cris.model.neck import ImageFeatures

EXAMPLE_IMAGES, EXAMPLE_SENTENCES = 2, 3
"""Batch sizes for tracing; any numbers but 1, which torch would treat as fixed."""


class ImageProgram(nn.Module):
    """Program that computes everything that does not depend on a sentence."""

    def __init__(self, model: Cris) -> None:
        super().__init__()
        self.model = _without(model, "text_encoder", "decoder", "projector", "presence")
        self.dtype = model.text_encoder.projection.dtype

    def forward(self, images: Float[Tensor, "images 3 height width"]) -> tuple[Tensor, Tensor, Tensor]:
        """Return `ImageFeatures` as float32."""
        features = self.model.encode_image(_cast(images, self.dtype))
        coarse, middle, fine = (_cast(feature, torch.float32) for feature in features)
        return coarse, middle, fine


class SentenceProgram(nn.Module):
    """Program that answers sentences about images that were encoded before."""

    def __init__(self, model: Cris) -> None:
        super().__init__()
        self.model = _without(model, "image_encoder")
        self.dtype = model.text_encoder.projection.dtype

    def forward(
        self,
        coarse: Float[Tensor, "images coarse h32 w32"],
        middle: Float[Tensor, "images middle h16 w16"],
        fine: Float[Tensor, "images middle h16 w16"],
        tokens: Int[Tensor, "sentences tokens"],
        image_index: Int[Tensor, "sentences"],
    ) -> Tensor | tuple[Tensor, ...]:
        """Return the fields of `ModelOutput` that the model has, as float32; a single field comes bare."""
        image = ImageFeatures(*(_cast(feature, self.dtype) for feature in (coarse, middle, fine)))
        output = self.model.segment(image, self.model.encode_text(tokens), image_index)
        answers = tuple(_cast(answer, torch.float32) for answer in output.named().values())
        return answers[0] if len(answers) == 1 else answers


def _cast(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Convert as `x.to(dtype)`, which is traced even where it changes nothing."""
    return x if x.dtype == dtype else x.to(dtype)


def _without(model: Cris, *names: str) -> Cris:
    """Return the model without these parts, as a program keeps all weights of what it is traced from."""
    part = copy.copy(model)
    part._modules = {name: module for name, module in model._modules.items() if name not in names}
    return part


def trace(model: Cris, config: StoredConfig) -> tuple[ExportedProgram, ExportedProgram]:
    """Return the two programs of a fused model, for any numbers of images and sentences.

    The image size and sentence length are those of the configuration.
    """
    size, length = config.inference.input_size, config.inference.sentence_length
    image_count, sentences = Dim("pictures", min=1, max=4096), Dim("sentences", min=1, max=4096)
    images = torch.zeros(EXAMPLE_IMAGES, 3, size, size)
    tokens = torch.zeros(EXAMPLE_SENTENCES, length, dtype=torch.long)
    tokens[:, 0], tokens[:, 1] = config.model.text.vocabulary - 2, config.model.text.vocabulary - 1
    index = torch.tensor([0, 1, 1])
    with torch.no_grad():
        first = torch.export.export(
            ImageProgram(model).eval(), (images,), dynamic_shapes={"images": {0: image_count}}
        )
        features = ImageProgram(model)(images)
        second = torch.export.export(
            SentenceProgram(model).eval(),
            (*features, tokens, index),
            dynamic_shapes={
                **{name: {0: image_count} for name in IMAGE_OUTPUTS},
                **{name: {0: sentences} for name in ("tokens", "image_index")},
            },
        )
    return first, second
