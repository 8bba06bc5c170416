"""CRIS on CLIP's RN50 and on its ViT-B/16, and transformers' CLIPSeg, on a CPU: time and memory.

python -m benchmarks.vit [--turns 5] [--engine torch-fp32]

Random weights at 416×416, one sentence and eight on one image; each in a process of its own, taking turns.
CLIPSeg has the sizes of `CIDAS/clipseg-rd64-refined` (ViT-B/16) and takes an image for each sentence, as its
forward pass asks.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.predict_cpu import ENGINES, SENTENCES, prepare_engine
from benchmarks.turns import Prepare, ratio, take_turns

BASELINE = "CLIPSeg"
WORDS = 17
"""Tokens of a sentence, as CRIS has them."""


def prepare_clipseg(size: int, sentences: int) -> Callable[[], object]:
    """Prepare transformers' CLIPSeg: other words in each call, the image once for each sentence."""
    import torch
    from transformers import CLIPSegConfig, CLIPSegForImageSegmentation

    torch.manual_seed(0)
    vision = {"patch_size": 16, "image_size": 224, "hidden_size": 768, "intermediate_size": 3072}
    config = CLIPSegConfig(reduce_dim=64, extract_layers=[3, 6, 9], vision_config=vision)
    model = CLIPSegForImageSegmentation(config).eval()
    image = torch.randn(1, 3, size, size)
    tokens = torch.randint(2, 40_000, (sentences, WORDS))
    tokens[:, 0], tokens[:, -1] = 49406, 49407

    @torch.inference_mode()
    def theirs() -> object:
        tokens[:, 1] = (tokens[:, 1] + 1) % 40_000
        return model(pixel_values=image.expand(sentences, -1, -1, -1), input_ids=tokens).logits

    return theirs


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table for the docs."""
    import torch

    from benchmarks.models import random_model
    from cris.model.config import InferenceConfig

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--engine", choices=ENGINES, default="torch-fp32")
    parser.add_argument("--models", nargs="+", default=["RN50", "ViT-B-16"])
    parser.add_argument("--folder", type=Path, default=Path("build/benchmarks"), help="keeps the models")
    options = parser.parse_args(argv)
    options.folder.mkdir(parents=True, exist_ok=True)
    kind = ENGINES[options.engine]
    models = {name: random_model(options.folder, name, *kind) for name in options.models}
    print(f"{options.engine}, {torch.get_num_threads()} threads, {options.turns} turns each; shares of")
    print(f"{BASELINE}'s time and peak memory")
    print("| model | sentences on one image | s per sentence | time | peak memory |")
    print("|---|---|---|---|---|")
    size = InferenceConfig().input_size
    for sentences in SENTENCES:
        engines: dict[str, Prepare] = {BASELINE: partial(prepare_clipseg, size, sentences)}
        for name, model in models.items():
            engines[name] = partial(prepare_engine, model, *kind, sentences, None)
        measured = take_turns(engines, options.turns)
        for name, found in measured.items():
            print(
                f"| {name} | {sentences} | {found.median / sentences:.3f} "
                f"| {ratio(measured, name, BASELINE):.2f} "
                f"| {found.peak_bytes / measured[BASELINE].peak_bytes:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
