"""Configuration of a model: every size and option that its weights or its answers depend on."""

from dataclasses import dataclass, field, replace
from math import ceil
from typing import ClassVar, Literal

from cris.calibration import Calibration


@dataclass(frozen=True, kw_only=True)
class ClipResnetConfig:
    """CLIP's modified ResNet with a dense attention pool; the defaults are RN50."""

    kind: ClassVar[str] = "clip_resnet"
    layers: tuple[int, int, int, int] = (3, 4, 6, 3)
    """Number of bottleneck blocks in each of the four stages."""
    stem: tuple[int, int, int] = (32, 32, 64)
    """Channels of the stem's three convolutions; in CLIP half the width, half the width, and the width."""
    width: int = 64
    """Channels within the first stage; the stages' outputs have 4, 8, 16 and 32 times as many."""
    position_grid: int = 7
    """Side of the attention pool's square positional embedding, in cells of 32 pixels."""
    frozen_when_finetuned: ClassVar[int] = 0
    """Number of blocks, counted from the image, that finetuning leaves as they are."""

    @property
    def channels(self) -> tuple[int, int, int]:
        """Return the channels of C3, C4 and the last stage."""
        return 8 * self.width, 16 * self.width, 32 * self.width

    @property
    def heads(self) -> int:
        """Return the number of heads of the attention pool, 64 channels each."""
        return self.width // 2


@dataclass(frozen=True, kw_only=True)
class ClipVitConfig:
    """CLIP's vision transformer with a feature pyramid; the defaults are ViT-B/16."""

    kind: ClassVar[str] = "clip_vit"
    patch_size: int = 16
    """Side of a patch, in pixels of what the transformer is given."""
    width: int = 768
    """Channels of a token."""
    layers: int = 12
    """Number of transformer blocks."""
    position_grid: int = 14
    """Side of the square positional embedding, in patches."""
    frozen_when_finetuned: ClassVar[int] = 0
    """Number of blocks, counted from the image, that finetuning leaves as they are."""

    @property
    def channels(self) -> tuple[int, int, int]:
        """Return the channels of C3, C4 and the last layer."""
        return self.width // 2, self.width, self.width

    @property
    def heads(self) -> int:
        """Return the number of attention heads, 64 channels each."""
        return self.width // 64

    @property
    def patch_stride(self) -> int:
        """Return the side of a patch in pixels of the input: its own, or 16 where that does not divide 32."""
        return 16 if 32 % self.patch_size else self.patch_size


@dataclass(frozen=True, kw_only=True)
class EfficientNetLiteConfig:
    """EfficientNet-Lite whose last features have the joint width; the defaults are Lite0."""

    kind: ClassVar[str] = "efficientnet_lite"
    width: float = 1.0
    """Factor of all channels but the stem's and the last ones: 1 for Lite0 and Lite1, 1.1 for Lite2."""
    depth: float = 1.0
    """Factor of the blocks in all stages but the first and the last: 1, 1.1 and 1.2 for Lite0 to Lite2."""
    frozen_when_finetuned: ClassVar[int] = 17
    """Number of blocks, of 23 in Lite2, that finetuning leaves as they are; few images would ruin what they
    know of many."""

    @property
    def channels(self) -> tuple[int, int, int]:
        """Return the channels of C3, C4 and the last stage."""
        return self.scaled_channels(40), self.scaled_channels(112), self.scaled_channels(320)

    def scaled_channels(self, channels: int) -> int:
        """Return a stage's channels at this width: a multiple of 8, at most a tenth fewer than asked for."""
        wanted = channels * self.width
        rounded = max(8, int(wanted + 4) // 8 * 8)
        return rounded + 8 if rounded < 0.9 * wanted else rounded

    def scaled_depth(self, blocks: int) -> int:
        """Return a stage's number of blocks at this depth."""
        return ceil(blocks * self.depth)


LITE = {
    "Lite0": EfficientNetLiteConfig(),
    "Lite1": EfficientNetLiteConfig(depth=1.1),
    "Lite2": EfficientNetLiteConfig(width=1.1, depth=1.2),
}
"""EfficientNet-Lite variants whose stem and last features have the same channels."""


@dataclass(frozen=True, kw_only=True)
class CustomImageConfig:
    """Image encoder of the caller's, which this package cannot build: it is passed as `image_encoder`."""

    kind: ClassVar[str] = "custom"
    name: str
    """Name of its class, to tell which encoder a stored model needs."""
    frozen_when_finetuned: ClassVar[int] = 0
    """Number of blocks, counted from the image, that finetuning leaves as they are."""


ImageEncoderConfig = ClipResnetConfig | ClipVitConfig | EfficientNetLiteConfig | CustomImageConfig


CLIP_VOCABULARY = 49408
"""Number of tokens of CLIP's tokenizer."""


@dataclass(frozen=True, kw_only=True)
class ClipTextConfig:
    """CLIP's text transformer; the defaults are those beside RN50 and RN101."""

    kind: ClassVar[str] = "clip_text"
    vocabulary: int = CLIP_VOCABULARY
    """Number of tokens; the largest id is the end token."""
    context_length: int = 77
    """Longest sentence in tokens, start and end included."""
    width: int = 512
    """Channels of a word feature."""
    layers: int = 12
    """Number of transformer blocks."""

    @property
    def heads(self) -> int:
        """Return the number of attention heads, 64 channels each."""
        return self.width // 64

    @property
    def hidden_word(self) -> int:
        """Return the id that stands for a hidden word in training: "*", which names nothing.

        As a single byte it has this id in every vocabulary, reduced ones too. CLIP has no token for a hidden
        word, and id 0 would be padding to released models.
        """
        return 265


@dataclass(frozen=True, kw_only=True)
class BertTextConfig:
    """BERT with mean pooling; the defaults are MiniLM-L6."""

    kind: ClassVar[str] = "bert_text"
    vocabulary: int = 30522
    """Number of tokens; the largest id is the end token."""
    context_length: int = 64
    """Longest sentence in tokens, start and end included."""
    width: int = 384
    """Channels of a word feature."""
    layers: int = 6
    """Number of transformer blocks."""

    @property
    def heads(self) -> int:
        """Return the number of attention heads, 32 channels each."""
        return self.width // 32

    @property
    def hidden_word(self) -> int:
        """Return the id that stands for a hidden word in training: BERT's mask token."""
        return 1


TextEncoderConfig = ClipTextConfig | BertTextConfig


@dataclass(frozen=True, kw_only=True)
class NeckConfig:
    """Channels in the cross-modal neck, by resolution."""

    fine: int = 256
    """Channels at a stride of 8 pixels."""
    middle: int = 512
    """Channels at a stride of 16 pixels, and of the neck's output."""
    coarse: int = 1024
    """Channels at a stride of 32 pixels, where the sentence joins."""
    alignment: bool = False
    """True if the product of sentence and C5 joins there too: useful where both encoders begin aligned."""


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """The vision-language decoder; its width is the neck's."""

    layers: int = 3
    """Number of decoder layers; 0 leaves the decoder out (the paper's ablation)."""
    heads: int = 8
    """Number of heads of both attentions."""
    ffn: int = 2048
    """Hidden width of the feed-forward part."""
    dropout: float = 0.1
    """Share of features and attention weights dropped in training."""


@dataclass(frozen=True, kw_only=True)
class ProjectorConfig:
    """The head that scores each pixel."""

    hidden: int = 512
    """Channels after the first upsampling."""
    dim: int = 256
    """Channels of the joint space in which pixels meet the sentence."""
    kernel_size: Literal[1, 3] = 3
    """Side of the kernel made from the sentence: 1 is the paper's dot product, 3 the released code's."""
    head: Literal["contrastive", "classifier"] = "contrastive"
    """Kind of head; classifier drops the text kernel for a plain 1x1 convolution (the paper's ablation)."""


@dataclass(frozen=True, kw_only=True)
class CrisConfig:
    """A whole CRIS model; the defaults are the paper's, on CLIP RN50."""

    joint_dim: int = 1024
    """Width of CLIP's joint space, shared by C5 and the sentence feature."""
    image: ImageEncoderConfig = field(default_factory=ClipResnetConfig)
    text: TextEncoderConfig = field(default_factory=ClipTextConfig)
    tokenizer: Literal["clip", "scenes", "stored"] = "clip"
    """Tokenizer that a new model gets: CLIP's, CLIP's reduced to the words of scenes, or none but the one
    stored beside the weights that it begins with."""
    neck: NeckConfig = field(default_factory=NeckConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    projector: ProjectorConfig = field(default_factory=ProjectorConfig)
    presence_heads: int = 0
    """Attention heads of the second answer, whether anything is meant at all; 0 leaves it out."""
    padding: Literal["after_end", "zero_id"] = "after_end"
    """Tokens hidden from the decoder: all after the end, or (released) all with id 0, which is also "!"."""


@dataclass(frozen=True, kw_only=True)
class InferenceConfig:
    """Preprocessing of images and sentences, and the step from logits to a mask."""

    input_size: int = 416
    """Side of the square letterbox, in pixels; divisible by 32."""
    sentence_length: int = 17
    """Tokens per sentence, start and end included; longer sentences are cut."""
    threshold: float = 0.35
    """Probability above which a pixel belongs to the mask."""
    relative_threshold: float = 1.0
    """Share of a mask's maximum that takes the threshold's place where it is lower; 1: never.

    What is surely present, but faint all over, so gets a mask.
    """
    peak_threshold: float = 0.0
    """Probability that a mask's maximum must exceed, else the mask is empty: absent objects then get none."""
    guided_radius: int = 0
    """Radius, in cells of 4 pixels, of the guided filter that fits masks to the image's edges; 0: none."""
    protocol: Literal["default", "released"] = "default"
    """Resampling of images and answers: ours, or exactly the released code's."""
    presence_threshold: float = 0.0
    """Probability of presence that must be exceeded, else the mask is empty; without the head it is 1."""
    calibration: Calibration = field(default_factory=Calibration)
    """Mapping of scores to the chance of a good mask; the default leaves them as they are."""


CRIS_RN50 = CrisConfig()
CRIS_RN101 = CrisConfig(joint_dim=512, image=ClipResnetConfig(layers=(3, 4, 23, 3)))
CRIS_RN50X4 = CrisConfig(
    joint_dim=640,
    image=ClipResnetConfig(layers=(4, 6, 10, 6), stem=(40, 40, 80), width=80, position_grid=9),
    text=ClipTextConfig(width=640),
)
CRIS_RN50X16 = CrisConfig(
    joint_dim=768,
    image=ClipResnetConfig(layers=(6, 8, 18, 8), stem=(48, 48, 96), width=96, position_grid=12),
    text=ClipTextConfig(width=768),
)
CRIS_VIT_B_16 = CrisConfig(joint_dim=512, image=ClipVitConfig())
CRIS_VIT_B_32 = CrisConfig(joint_dim=512, image=ClipVitConfig(patch_size=32, position_grid=7))
VIT_L_14 = ClipVitConfig(patch_size=14, width=1024, layers=24, position_grid=16)
CRIS_VIT_L_14 = CrisConfig(joint_dim=768, image=VIT_L_14, text=ClipTextConfig(width=768))
CRIS_VIT_L_14_336PX = replace(CRIS_VIT_L_14, image=replace(VIT_L_14, position_grid=24))
BACKBONES = {
    **{"RN50": CRIS_RN50, "RN101": CRIS_RN101, "RN50x4": CRIS_RN50X4, "RN50x16": CRIS_RN50X16},
    **{"ViT-B-32": CRIS_VIT_B_32, "ViT-B-16": CRIS_VIT_B_16},
    **{"ViT-L-14": CRIS_VIT_L_14, "ViT-L-14-336px": CRIS_VIT_L_14_336PX},
}
"""Configurations by the name of CLIP's image encoder, as its file has it."""
