"""`cris convert`: turn weights from elsewhere into a checkpoint folder."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from cris.cli.console import show
from cris.errors import InputError
from cris.files import sha256_of
from cris.jobs import to_json

if TYPE_CHECKING:
    from cris.model.config import InferenceConfig
    from cris.model.cris import Cris
    from cris.model.tokenizer import Tokenizer

Backbone = Literal["RN50", "RN101", "RN50x4", "RN50x16", "ViT-B-32", "ViT-B-16", "ViT-L-14", "ViT-L-14-336px"]
"""Keys of cris.model.BACKBONES, repeated because importing that takes torch."""
UNTRAINED = "Neck, decoder and projectors are random: it must be trained before it finds anything."


@dataclass(frozen=True, kw_only=True)
class Released:
    """Make a checkpoint folder of a file that the released CRIS code saved, such as best_model.pth.

    Sizes are read from the tensors' shapes; images are resampled as in the released code, so that its
    figures come out. Nothing in the file is run.
    """

    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """Checkpoint of the released code, from one process or from several."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Checkpoint folder to write."""
    sentence_length: int = 17
    """Tokens per sentence that it was trained with: 17 for RefCOCO and RefCOCO+, 22 for RefCOCOg."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the folder and its number of parameters as JSON, and nothing else."""
    overwrite: bool = False
    """Replace the checkpoint in DIR."""

    def run(self) -> int:
        """Convert, and print what was written."""
        from cris.model.config import InferenceConfig
        from cris.model.convert import load_released

        model = load_released(self.file)
        inference = InferenceConfig(sentence_length=self.sentence_length, protocol="released")
        _save(
            model,
            inference,
            self.out,
            f"# CRIS, converted\n\nWeights that the released CRIS code saved: {_origin(self.file)}. "
            "Their licence and figures are those of whoever trained them.\n",
            overwrite=self.overwrite,
            as_json=self.as_json,
        )
        return 0


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Make a checkpoint folder to train from: CLIP's weights in the encoders, all after them random.

    It predicts noise until it is trained. Nothing in the file is run.
    """

    file: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """OpenAI's archive, or a state dict or safetensors in OpenAI's, open_clip's or Hugging Face's names; or a
    name from `cris models`, fetched when needed."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Checkpoint folder to write."""
    backbone: Backbone | None = None
    """CLIP's image encoder that FILE must have; by default the one that it has."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the folder and its number of parameters as JSON, and nothing else."""
    overwrite: bool = False
    """Replace the checkpoint in DIR."""

    def run(self) -> int:
        """Convert; print what was written, and that it must be trained."""
        import torch

        from cris.model import BACKBONES
        from cris.model.config import InferenceConfig
        from cris.model.convert import backbone_name, load_clip
        from cris.registry import resolve

        file = resolve(self.file, "clip")
        torch.manual_seed(0)  # the random parts come out alike every time
        model = load_clip(file, None if self.backbone is None else BACKBONES[self.backbone])
        _save(
            model,
            InferenceConfig(),
            self.out,
            f"# CRIS on CLIP {backbone_name(model.config.image)}, untrained\n\n{UNTRAINED} "
            f"The encoders have CLIP's weights: {_origin(file)}.\n",
            overwrite=self.overwrite,
            as_json=self.as_json,
        )
        if not self.as_json:
            show(f"{UNTRAINED}\n  cris train finetune --from {self.out} --data DIR --out DIR")
        return 0


@dataclass(frozen=True, kw_only=True)
class Imagenet:
    """Make a checkpoint folder to train from: an image encoder that was trained on ImageNet, all else as in
    cris-photos.

    The text encoder is that of a model that is there, all after the encoders random: it predicts noise until
    it is trained. Nothing in the file is run.
    """

    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """EfficientNet-Lite0, 1 or 2 in PyTorch's usual names, as a state dict or safetensors."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Checkpoint folder to write."""
    text: Annotated[str, tyro.conf.arg(metavar="MODEL")] = "cris-photos"
    """Model that the tokenizer and text encoder are taken from."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the folder and its number of parameters as JSON, and nothing else."""
    overwrite: bool = False
    """Replace the checkpoint in DIR."""

    def run(self) -> int:
        """Convert; print what was written, and that it must be trained."""
        from dataclasses import replace

        import torch

        from cris.checkpoint import load_checkpoint
        from cris.model import build_cris
        from cris.model.config import LITE
        from cris.model.pretrained import load_efficientnet_lite
        from cris.registry import resolve
        from cris.training.recipes import cris_photos

        image_config, image_encoder = load_efficientnet_lite(self.file)
        reader = load_checkpoint(resolve(self.text))
        joint_dim, channels = reader.model.config.joint_dim, image_encoder.channels[2]
        if joint_dim != channels:
            raise InputError(
                f"--text must name a model whose joint space has {channels} channels, as the last features "
                f"of {self.file} have, got {self.text} with {joint_dim}"
            )
        recipe = cris_photos()
        config = replace(recipe.model, joint_dim=joint_dim, image=image_config, text=reader.model.config.text)
        torch.manual_seed(0)  # the random parts come out alike every time
        model = build_cris(config)
        model.image_encoder, model.text_encoder = image_encoder, reader.model.text_encoder
        (variant,) = (name for name, each in LITE.items() if each == image_config)
        _save(
            model,
            recipe.inference,
            self.out,
            f"# CRIS on EfficientNet-{variant}, untrained\n\n{UNTRAINED} "
            f"The image encoder has the weights of {_origin(self.file)}, and their licence; "
            f"tokenizer and text encoder are those of `{self.text}`.\n",
            tokenizer=reader.tokenizer,
            overwrite=self.overwrite,
            as_json=self.as_json,
        )
        if not self.as_json:
            show(f"{UNTRAINED}\n  cris train finetune --from {self.out} --data DIR --out DIR")
        return 0


Command = (
    Annotated[Released, tyro.conf.subcommand(name="released")]
    | Annotated[Clip, tyro.conf.subcommand(name="clip")]
    | Annotated[Imagenet, tyro.conf.subcommand(name="imagenet")]
)


def _origin(file: Path) -> str:
    return f"`{file.name}`, sha256 `{sha256_of(file)}`"


def _save(
    model: "Cris",
    inference: "InferenceConfig",
    out: Path,
    card: str,
    *,
    tokenizer: "Tokenizer | None" = None,
    overwrite: bool,
    as_json: bool,
) -> None:
    from cris.card import model_card
    from cris.checkpoint import save_checkpoint
    from cris.model.tokenizer import Tokenizer

    save_checkpoint(out, model, tokenizer or Tokenizer(), inference, model_card(card), overwrite=overwrite)
    count = sum(parameter.numel() for parameter in model.parameters())
    if as_json:
        sys.stdout.write(to_json({"out": str(out), "parameters": count}))
    else:
        show(f"{out}: {count / 1e6:.2f} M parameters")
