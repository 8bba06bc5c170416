"""Graphs with as many outputs as they have; runtimes of their own are in tests/exports/test_export.py."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import torch

from cris.engines.graph_engine import GraphEngine
from cris.engines.program_engine import ProgramEngine
from cris.model.output import ModelOutput

LOGITS = np.arange(32, dtype=np.float32).reshape(2, 1, 4, 4)


class OneOutput(GraphEngine):
    """Folders as they were before any field but the first."""

    def __init__(self) -> None:
        self._sentence = None

    def _open(self, file: object) -> None:
        raise AssertionError

    def _run(
        self, graph: object, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> Sequence[np.ndarray]:
        assert tuple(outputs) == ModelOutput._fields
        assert list(inputs) == ["coarse", "middle", "fine", "tokens", "image_index"]
        return [LOGITS]


def test_outputs_of_a_graph_are_the_fields_of_the_answer() -> None:
    part = np.zeros((1, 2, 3, 3), dtype=np.float32)
    output = OneOutput().segment([(part,) * 3], np.zeros((2, 5), dtype=np.int64), np.zeros(2, dtype=np.int64))
    assert isinstance(output, ModelOutput)
    assert list(output.named()) == ["logits"]
    assert output.logits is LOGITS


class Several(torch.nn.Module):
    def forward(self, first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return first, second


@pytest.mark.parametrize(("graph", "count"), [(torch.nn.Identity(), 1), (Several(), 2)])
def test_a_program_gives_one_tensor_or_several(graph: torch.nn.Module, count: int) -> None:
    inputs = {str(place): LOGITS + place for place in range(count)}
    found = ProgramEngine._run(ProgramEngine.__new__(ProgramEngine), graph, inputs, ModelOutput._fields)
    for place, each in enumerate(found):
        np.testing.assert_array_equal(each, LOGITS + place)
    assert len(found) == count
