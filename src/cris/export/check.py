"""Verification that an export answers as the model it was made from."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from cris.engines.engine import Engine
from cris.engines.formats import Precision
from cris.errors import InputError
from cris.export.samples import ExportSample
from cris.model.cris import Cris
from cris.model.output import ModelOutput

BATCHES = (1, 3)
"""Batch sizes, of images and sentences, that are checked."""
LIMITS: Mapping[Precision, float] = {"fp32": 1e-4, "bf16": 0.1, "int8": 0.5}
"""Largest difference of logits, as a share of their norm; int8 is held to its masks, too (see tests)."""


@torch.inference_mode()
def plain_outputs(model: Cris, samples: Sequence[ExportSample]) -> dict[int, ModelOutput]:
    """Return the model's own outputs for the first samples, for each batch size in `BATCHES`."""
    answers = {}
    for batch in BATCHES:
        images, tokens, index = map(torch.from_numpy, _inputs(samples, batch))
        output = model.segment(model.encode_image(images), model.encode_text(tokens), index)
        answers[batch] = output.map(lambda answer: answer.numpy())
    return answers


def differences(
    engine: Engine, samples: Sequence[ExportSample], expected: Mapping[int, ModelOutput]
) -> dict[int, float]:
    """Return, for each batch size, how far the answers are from the model's.

    The measure is the norm of the difference over that of the model's answer: the largest where there are
    several answers.
    """
    found = {}
    for batch, plain in expected.items():
        images, tokens, index = _inputs(samples, batch)
        output = engine.segment(engine.encode_image(images), tokens, index).named()
        shares = [
            np.linalg.norm(output[name] - answer) / np.linalg.norm(answer)
            for name, answer in plain.named().items()
        ]
        found[batch] = float(np.max(shares))  # of numpy, which keeps what is not a number
    return found


def is_within(difference: float, precision: Precision) -> bool:
    """Return whether the precision explains a difference; what is not a number it does not."""
    return difference <= LIMITS[precision]


def check(found: Mapping[int, float], precision: Precision) -> None:
    """Raise InputError when an export differs by more than its precision explains."""
    limit = LIMITS[precision]
    for batch, difference in found.items():
        if not is_within(difference, precision):
            raise InputError(
                f"the exported model's logits differ from the model's by {difference:.1e} at batch {batch}, "
                f"{precision} may differ by {limit:.0e}: nothing was written; try another precision"
            )


def _inputs(samples: Sequence[ExportSample], batch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images, sentences and image indices, which are out of order so that a mix-up would show."""
    first = samples[:batch]
    assert len(first) == batch
    return (
        np.concatenate([sample.image for sample in first]),
        np.concatenate([sample.tokens for sample in first]),
        np.arange(batch)[::-1].copy(),
    )
