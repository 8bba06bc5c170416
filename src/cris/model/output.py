"""Answers of a model, under names that all engines and exported graphs share."""

from collections.abc import Callable
from typing import Any, NamedTuple


class ModelOutput(NamedTuple):
    """Answers to some sentences, or to one: tensors of a model, arrays of an engine.

    Exported graphs name their outputs after the fields, in this order. A new field goes to the end, with
    None as its default: that is its value for models, and for exported folders, without such an answer.
    """

    logits: Any
    """Scores of the cells of 4 by 4 pixels before the sigmoid: ([sentences,] 1, height / 4, width / 4)."""
    presence: Any = None
    """Score, before the sigmoid, that anything is meant at all: ([sentences]); None without such a head."""

    def named(self) -> dict[str, Any]:
        """Return the answers that are present, by name."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    def map(self, function: Callable[[Any], Any]) -> "ModelOutput":
        """Return the answers that are present, each transformed by the function."""
        return self._replace(**{name: function(value) for name, value in self.named().items()})
