"""Prediction on a CPU: engines and precisions against the straightforward path, for one and eight sentences.

python -m benchmarks.predict_cpu [--turns 7] [--engines torch-fp32 openvino-int8 …] [--at-a-time 2]

RN50 with random weights at 416×416. Checkpoint and exports are made once, in some minutes, and kept.
What needs torch is imported where it is used: processes of engines that do without it must not hold it.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.turns import Prepare, ratio, take_turns
from cris.config_file import StoredConfig
from cris.engines.formats import EngineName, Precision
from cris.engines.load import load_model
from cris.export.samples import noise_samples

ENGINES: dict[str, tuple[EngineName, Precision]] = {
    "torch-fp32": ("torch", "fp32"),
    "onnx-fp32": ("onnx", "fp32"),
    "openvino-fp32": ("openvino", "fp32"),
    "onnx-int8": ("onnx", "int8"),
    "openvino-int8": ("openvino", "int8"),
}
SENTENCES = (1, 8)
"""On one image."""
BARS: dict[Precision, dict[int, float]] = {"fp32": {1: 0.75, 8: 0.50}, "int8": {1: 0.33, 8: 0.22}}
"""Precision → sentences → most time, as a share of the straightforward path's."""


def prepare_plain(checkpoint: Path, sentences: int) -> Callable[[], object]:
    """Prepare the straightforward path, which encodes the image again for each sentence."""
    import torch

    from benchmarks.straightforward import predict_plainly
    from cris.checkpoint import load_checkpoint

    loaded = load_checkpoint(checkpoint)
    samples = noise_samples(sentences, StoredConfig(model=loaded.model.config, inference=loaded.inference))
    image = torch.from_numpy(samples[0].image)

    @torch.inference_mode()
    def plain() -> object:
        return [predict_plainly(loaded.model, image, torch.from_numpy(sample.tokens)) for sample in samples]

    return plain


def prepare_engine(
    model: Path, engine: EngineName, precision: Precision, sentences: int, at_a_time: int | None
) -> Callable[[], object]:
    """Prepare an engine: the image encoded once, other words in each call, so that none is remembered."""
    opened = load_model(model, "cpu", engine=engine, precision=precision)
    config = StoredConfig(model=opened.engine.config, inference=opened.inference)
    samples = noise_samples(sentences, config)
    tokens = np.concatenate([sample.tokens for sample in samples])
    step = at_a_time or opened.engine.batch_size
    word = iter(range(2, 10_000))

    def ours() -> object:
        tokens[:, 1] = next(word) % (config.model.text.vocabulary - 2)
        image = opened.engine.encode_image(samples[0].image)
        return [
            opened.engine.segment(image, rows, np.zeros(len(rows), dtype=np.int64))
            for rows in np.split(tokens, range(step, sentences, step))
        ]

    return ours


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table for the docs."""
    import torch

    from benchmarks.models import NAMES, random_checkpoint, random_model

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=[*ENGINES])
    parser.add_argument("--at-a-time", type=int, help="sentences; by default what suits the engine")
    parser.add_argument("--model", choices=NAMES, default="RN50")
    parser.add_argument("--folder", type=Path, default=Path("build/benchmarks"), help="keeps the models")
    options = parser.parse_args(argv)
    options.folder.mkdir(parents=True, exist_ok=True)
    checkpoint = random_checkpoint(options.folder, options.model)
    models = {name: random_model(options.folder, options.model, *ENGINES[name]) for name in options.engines}
    print(f"{options.model}, {torch.get_num_threads()} threads, {options.turns} turns each; shares of the")
    print("straightforward path's time and peak memory")
    print("| engine | sentences on one image | s per sentence | time | bar | peak memory |")
    print("|---|---|---|---|---|---|")
    for sentences in SENTENCES:
        engines: dict[str, Prepare] = {"plain": partial(prepare_plain, checkpoint, sentences)}
        for name, model in models.items():
            engines[name] = partial(prepare_engine, model, *ENGINES[name], sentences, options.at_a_time)
        measured = take_turns(engines, options.turns)
        for name, found in measured.items():
            bar = BARS[ENGINES[name][1]][sentences] if name in ENGINES else 1.0
            print(
                f"| {name} | {sentences} | {found.median / sentences:.3f} "
                f"| {ratio(measured, name, 'plain'):.2f} | {bar:.2f} "
                f"| {found.peak_bytes / measured['plain'].peak_bytes:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
