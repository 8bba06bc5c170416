"""A training step on a CPU, RN50 at 416, four sentences: the straightforward path against the recipe `fixed`.

python -m benchmarks.train_cpu [TURNS] [--tiny]

Straightforward: eager, the image encoded for each sentence, whole concatenations, the dynamic kernel as a
grouped convolution, Adam as torch has it. Both count the same cells of the same targets. --tiny takes a small
model, to see that everything runs.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from benchmarks.models import TINY_CONFIG
from benchmarks.straightforward import predict_plainly
from benchmarks.turns import ratio, take_turns
from cris.data.loading.loader import Batch
from cris.letterbox import CELL
from cris.model import build_cris
from cris.model.output import ModelOutput
from cris.training.config import TrainConfig
from cris.training.loss import Objective
from cris.training.processes import launch
from cris.training.recipes import fixed
from cris.training.trainer import Trainer

SENTENCES = 4
"""One of each image."""


def recipe(*, is_tiny: bool) -> TrainConfig:
    """Return the config of `fixed` on RefCOCO as a CPU runs it: in float32, from fresh weights."""
    config = fixed("refcoco", "rn50")
    config = replace(
        config,
        start="",
        steps=1000,
        precision="fp32",
        device="cpu",
        sampling=replace(config.sampling, pictures=SENTENCES),
    )
    if not is_tiny:
        return config
    return replace(config, model=TINY_CONFIG, inference=replace(config.inference, input_size=64))


def random_batch(config: TrainConfig) -> Batch:
    """Images of noise with a band of padding above and below, as of an image of 4 to 3."""
    size, length = config.inference.input_size, config.inference.sentence_length
    count, cells, end = config.sampling.pictures, size // CELL, config.model.text.vocabulary - 1
    tokens = torch.randint(1, end - 1, (count, length))
    tokens[:, -1] = end
    on_image = torch.zeros(count, cells, cells, dtype=torch.bool)
    on_image[:, cells // 8 : cells - cells // 8] = True
    images = torch.randint(256, (count, 3, size, size), dtype=torch.uint8)
    return Batch(
        images=images.contiguous(memory_format=torch.channels_last),
        tokens=tokens,
        image_index=torch.arange(count),
        masks=torch.rand(count, 1, cells, cells),
        on_image=on_image,
        samples=torch.arange(count),
    )


def prepare(path: str, *, is_tiny: bool) -> Callable[[], object]:
    """Prepare a step on one batch, the plain way or ours."""
    torch.manual_seed(0)
    config = recipe(is_tiny=is_tiny)
    model, batch = build_cris(config.model).train(), random_batch(config)
    if path == "cris":
        trainer = Trainer(config, model, launch(config))
        return lambda: trainer.training_step([batch])
    optimizer = torch.optim.Adam(model.parameters(), lr=config.optimizer.learning_rate)
    objective = Objective(config.objectives)

    def plain() -> float:
        logits = predict_plainly(model, batch.inputs().contiguous(), batch.tokens)
        loss = torch.stack(list(objective(ModelOutput(logits), batch).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return plain


def main(arguments: list[str]) -> None:
    """Print the table for the docs."""
    is_tiny = "--tiny" in arguments
    turns = next((int(each) for each in arguments if each.isdigit()), 7)
    engines = {path: partial(prepare, path, is_tiny=is_tiny) for path in ("plain", "cris")}
    measured = take_turns(engines, turns)
    plain = measured["plain"]
    print(f"{'a small model' if is_tiny else 'RN50, 416×416'}, fp32, {torch.get_num_threads()} threads")
    print(f"{SENTENCES} sentences a step, {turns} turns each")
    print("| path | s a step | GB at most | time | memory |")
    print("|---|---|---|---|---|")
    for name, one in measured.items():
        share = ratio(measured, name, "plain"), one.peak_bytes / plain.peak_bytes
        print(f"| {name} | {one.median:.2f} | {one.peak_bytes / 1e9:.2f} | {share[0]:.2f} | {share[1]:.2f} |")
    print("bars: time ≤ 0.80, memory ≤ 1")


if __name__ == "__main__":
    main(sys.argv[1:])
