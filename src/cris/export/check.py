"""Whether an export answers as the model it was made from."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float32

from cris.engines.engine import Engine, Precision
from cris.errors import InputError
from cris.export.samples import Sample
from cris.model.cris import Cris

BATCHES = (1, 3)
"""Pictures and sentences that are asked at a time."""
LIMITS: Mapping[Precision, float] = {"fp32": 1e-4, "bf16": 0.1, "int8": 0.5}
"""Largest difference of logits, as a share of their norm; 8 bits are held to their masks, too (see tests)."""


@torch.inference_mode()
def plain_logits(model: Cris, samples: Sequence[Sample]) -> dict[int, Float32[np.ndarray, "sentences h4 w4"]]:
    """What the model itself says of the first samples, for each number of them in `BATCHES`."""
    answers = {}
    for batch in BATCHES:
        images, tokens, index = _inputs(samples, batch)
        logits = model(torch.from_numpy(images), torch.from_numpy(tokens), torch.from_numpy(index))
        answers[batch] = logits[:, 0].numpy()
    return answers


def differences(
    engine: Engine, samples: Sequence[Sample], expected: Mapping[int, Float32[np.ndarray, "sentences h4 w4"]]
) -> dict[int, float]:
    """For each number of samples the norm of the logits' difference over that of the model's logits."""
    found = {}
    for batch, logits in expected.items():
        images, tokens, index = _inputs(samples, batch)
        answer = engine.segment(engine.encode_image(images), tokens, index)
        found[batch] = float(np.linalg.norm(answer - logits) / np.linalg.norm(logits))
    return found


def check(found: Mapping[int, float], precision: Precision) -> None:
    """Raises InputError when an export differs by more than its precision explains."""
    limit = LIMITS[precision]
    for batch, difference in found.items():
        if not difference <= limit:  # also when it is not a number
            raise InputError(
                f"the exported model's logits differ from the model's by {difference:.1e} at batch {batch}, "
                f"{precision} may differ by {limit:.0e}: nothing was written; try another precision"
            )


def _inputs(samples: Sequence[Sample], batch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pictures, sentences, and which picture each is about: not in order, so that a mix-up would show."""
    first = samples[:batch]
    assert len(first) == batch
    return (
        np.concatenate([sample.image for sample in first]),
        np.concatenate([sample.tokens for sample in first]),
        np.arange(batch)[::-1].copy(),
    )
