"""Exponential moving average of the weights, which is what gets measured and saved."""

from typing import Any

import torch

from cris.model.build import build_like
from cris.model.cris import Cris


class MovingAverage:
    """Moving average of a model's weights; with decay 0, the model as it was at the last request."""

    def __init__(self, model: Cris, decay: float) -> None:
        self.model = model
        self.decay = decay
        self.average: Cris | None = None  # until it is needed: it is as large as the model
        if decay:
            self._move(1.0)

    def update(self, step: int) -> None:
        """Move towards the model; with less memory at first, so that the beginning is soon forgotten."""
        if self.decay:
            self._move(1 - min(self.decay, (1 + step) / (10 + step)))

    def current(self) -> Cris:
        """Return the averaged model."""
        if not self.decay:
            self._move(1.0)
        assert self.average is not None
        return self.average

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a run must keep; empty at decay 0."""
        return self.current().state_dict() if self.decay else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state that `state_dict` returned."""
        if self.decay:
            self.current().load_state_dict(state)

    @torch.no_grad()
    def _move(self, share: float) -> None:
        """Move a share of the way, BatchNorm's statistics included; all of it the first time."""
        if self.average is None:
            fresh = build_like(self.model).eval().requires_grad_(requires_grad=False)
            self.average = fresh.to(next(self.model.parameters()).device)
        theirs = self.model.state_dict()
        for name, value in self.average.state_dict().items():
            if share == 1 or not value.is_floating_point():
                value.copy_(theirs[name])
            else:
                value.lerp_(theirs[name].to(value.dtype), share)
