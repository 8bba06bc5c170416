"""The whole model: image and sentence → encoders → neck → decoder → projector → logits, and presence."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cris.errors import InputError
from cris.model.clip_text import TextFeatures
from cris.model.config import CrisConfig
from cris.model.decoder import Decoder
from cris.model.encoders import ImageEncoder, TextEncoder
from cris.model.neck import CrossModalNeck, ImageFeatures
from cris.model.output import ModelOutput
from cris.model.presence import PresenceHead
from cris.model.projector import Projector


class Cris(nn.Module):
    """CLIP-driven referring image segmentation; its parts are passed ready-made (see `build_cris`)."""

    def __init__(
        self,
        config: CrisConfig,
        *,
        image_encoder: ImageEncoder,
        text_encoder: TextEncoder,
        neck: CrossModalNeck,
        decoder: Decoder | None,
        projector: Projector,
        presence: PresenceHead | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        """Sizes of all parts."""
        self.image_encoder = image_encoder
        """Image encoder: features at strides of 8, 16 and 32 pixels."""
        self.text_encoder = text_encoder
        """Text encoder: features of the words and of the sentence."""
        self.neck = neck
        """Cross-modal neck."""
        self.decoder = decoder
        """Vision-language decoder; None in the ablation without it."""
        self.projector = projector
        """Projector of pixels and sentence into one space."""
        self.presence = presence
        """Second answer, whether anything is meant at all; None of models without it."""

    def forward(
        self,
        images: Float[Tensor, "images 3 height width"],
        tokens: Int[Tensor, "sentences tokens"],
        image_index: Int[Tensor, "sentences"] | None = None,
    ) -> ModelOutput:
        """Return all answers; their logits score every cell of 4 by 4 pixels against each sentence.

        Args:
            images: normalised RGB; height and width divisible by 32.
            tokens: ids from the model's tokenizer, padded with 0 after the end token.
            image_index: row of `images` for each sentence; None pairs sentence i with image i.

        Raises:
            InputError: height or width is not divisible by 32, or a sentence is longer than the context.
        """
        return self.segment(self.encode_image(images), self.encode_text(tokens), image_index)

    def encode_image(self, images: Float[Tensor, "images 3 height width"]) -> ImageFeatures:
        """Return everything that does not depend on a sentence, to encode once and query often."""
        height, width = images.shape[-2:]
        if height % 32 or width % 32:
            raise InputError(
                f"height and width must be divisible by 32, got {height}×{width}: letterbox first"
            )
        return self.neck.encode_image(*self.image_encoder(images))

    def encode_text(self, tokens: Int[Tensor, "sentences tokens"]) -> TextFeatures:
        """Return word and sentence features, and the tokens that the decoder must not see."""
        words, sentence = self.text_encoder(tokens)
        if self.config.padding == "zero_id":
            return TextFeatures(words, sentence, tokens == 0)
        after_end = torch.arange(tokens.shape[1], device=tokens.device) > tokens.argmax(dim=1, keepdim=True)
        return TextFeatures(words, sentence, after_end)

    def segment(
        self,
        image: ImageFeatures,
        text: TextFeatures,
        image_index: Int[Tensor, "sentences"] | None = None,
    ) -> ModelOutput:
        """Return all answers, from the results of `encode_image` and `encode_text`."""
        if image_index is not None:
            image = image.select(image_index)
        fused = self.neck(image, text.sentence)
        decoded = fused if self.decoder is None else self.decoder(fused, text.words, text.is_padding)
        return ModelOutput(
            logits=self.projector(decoded, text.sentence),
            presence=None if self.presence is None else self.presence(decoded, text.sentence),
        )
