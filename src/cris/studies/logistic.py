"""Logistic regression by Newton's method, for the few numbers that this package fits."""

import numpy as np
from jaxtyping import Float64

_STEPS = 100
_ENOUGH = 1e-10


def fit_line(
    inputs: Float64[np.ndarray, "samples features"],
    targets: Float64[np.ndarray, "samples"],
    prior: Float64[np.ndarray, "features"],
    ridge: float,
    held: Float64[np.ndarray, "samples"] | float = 0.0,
) -> Float64[np.ndarray, "features"]:
    """Return the maximum-likelihood weights w for targets, chances from 0 to 1: logistic(inputs · w).

    Args:
        inputs: a column for each feature; a constant has one of its own.
        targets: what happened.
        prior: the weights without any sample.
        ridge: how many samples' worth the prior is pulled to; it keeps the weights finite.
        held: log-odds that are added to each sample's own.
    """
    line = prior
    for _ in range(_STEPS):
        chance = 0.5 + 0.5 * np.tanh(0.5 * (inputs @ line + held))
        gradient = inputs.T @ (chance - targets) + ridge * (line - prior)
        curvature = (inputs.T * (chance * (1 - chance))) @ inputs + ridge * np.eye(len(line))
        step = np.linalg.solve(curvature, gradient)
        # short steps at first, as where chances are near 0 or 1 a whole one would overshoot
        line = line - step / max(1.0, float(np.abs(step).max()))
        if float(np.abs(step).max()) < _ENOUGH:
            break
    return line
