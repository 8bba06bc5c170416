"""From the folder that stands for models of the hub to a model that can be asked."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cris.errors import InputError
from cris.huggingface.descriptor import Part, read_parts
from cris.model.config import InferenceConfig

if TYPE_CHECKING:
    import torch

    from cris.huggingface.model import PromptedModel

_WITH_TEXT = (
    "CLIPSeg, SAM 3, or Grounding DINO with SAM (hf:IDEA-Research/grounding-dino-tiny+facebook/sam-vit-base)"
)
_ADVICE = {
    ("grounding-dino",): "finds boxes, not masks: add SAM, as in hf:OWNER/NAME+facebook/sam-vit-base",
    ("sam",): "takes boxes, not text: name a detector before it, as in "
    "hf:IDEA-Research/grounding-dino-tiny+OWNER/NAME",
}
"""Kinds of models that cannot answer alone → the reason, and what to do."""


def load_prompted(folder: Path, device: "torch.device") -> "PromptedModel":
    """Return the model that a folder stands for, on a device, in float32.

    Only classes of transformers itself are used: no code of a repository runs, and weights are tensors alone.

    Raises:
        InputError: it cannot be asked by text, or its files are not as transformers writes them.
    """
    parts = read_parts(folder)
    folders = [part.local() for part in parts]
    with _quiet(parts):
        import transformers

        match kinds(parts, folders):
            case ("clipseg",):
                from cris.huggingface.clipseg import ClipSeg

                model = _load(transformers.CLIPSegForImageSegmentation, folders[0], parts[0])
                return ClipSeg(folders[0], model, _tokenizer(folders[0]), device)
            case ("sam3",):
                from cris.huggingface.sam3 import Sam3

                model = _load(transformers.Sam3Model, folders[0], parts[0])
                return Sam3(folders[0], model, _tokenizer(folders[0]), device)
            case _:
                from cris.huggingface.grounded_sam import GroundedSam

                detector = _load(transformers.GroundingDinoForObjectDetection, folders[0], parts[0])
                sam = _load(transformers.SamModel, folders[1], parts[1])
                tokenizer = _tokenizer(folders[0])
                return GroundedSam((folders[0], folders[1]), detector, sam, tokenizer, device)


def prompted_inference(folder: Path) -> InferenceConfig:
    """Return the inference settings of the model that a folder stands for; raises like `load_prompted`."""
    parts = read_parts(folder)
    folders = [part.local() for part in parts]
    with _quiet(parts):
        match kinds(parts, folders):
            case ("clipseg",):
                from cris.huggingface.clipseg import clipseg_inference

                return clipseg_inference(folders[0], _config("CLIPSegConfig", folders[0]))
            case ("sam3",):
                from cris.huggingface.sam3 import sam3_inference

                return sam3_inference(folders[0], None)
            case _:
                from cris.huggingface.grounded_sam import grounded_inference

                return grounded_inference(folders[1], _config("GroundingDinoConfig", folders[0]))


def kinds(parts: list[Part], folders: list[Path]) -> tuple[str, ...]:
    """Return the kinds of the models; raise InputError where they cannot be asked by text."""
    found = tuple(_model_type(folder) for folder in folders)
    if found == ("sam3_video",):  # the hub's facebook/sam3 holds the video model, and the image model in it
        found = ("sam3",)
    if found in (("clipseg",), ("sam3",), ("grounding-dino", "sam")):
        return found
    names = " and ".join(part.title for part in parts)
    if found in _ADVICE:
        raise InputError(f"{names} {_ADVICE[found]}")
    what = " and ".join(map(repr, found))
    raise InputError(f"a model that is asked by text must be {_WITH_TEXT}, {names} is of kind {what}")


def _model_type(folder: Path) -> str:
    path = folder / "config.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return str(content["model_type"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} has no model_type: it is no config.json of transformers") from error


def _config(name: str, folder: Path) -> Any:
    import transformers

    return getattr(transformers, name).from_pretrained(folder, local_files_only=True)


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def _load(kind: Any, folder: Path, part: Part) -> Any:
    import torch

    model, told = kind.from_pretrained(
        folder,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=part.files[-1].startswith("model."),
        weights_only=True,
        dtype=torch.float32,
        output_loading_info=True,
    )
    if missing := sorted(told["missing_keys"]):
        raise InputError(f"the weights of {part.title} lack {len(missing)} tensors, such as {missing[0]}")
    return model


@contextmanager
def _quiet(parts: list[Part]) -> Iterator[None]:
    """Keep transformers from printing, and turn what it says of a model's files into one line."""
    from transformers.utils import logging

    level, has_bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:  # of many kinds, some of its dependencies'
        if "out of memory" in str(error).lower():
            raise
        names = " and ".join(part.title for part in parts)
        raise InputError(f"transformers cannot open {names}: {' '.join(str(error).split())[:300]}") from error
    finally:
        logging.set_verbosity(level)
        if has_bar:
            logging.enable_progress_bar()
