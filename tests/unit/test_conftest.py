"""The means of the tests themselves: checked shapes, and demonstrations that print their figures."""

from pathlib import Path

import jaxtyping
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from cris.training.loss import text_to_pixel_loss

pytest_plugins = ["pytester"]
PLUGIN = Path(__file__).resolve().parents[1] / "fixtures" / "plugin.py"
DEMONSTRATION = """
def test_takes_samples(prove):
    prove.figure("samples taken", prove.count(full=2000, quick=20))

def test_is_no_demonstration():
    pass
"""


def test_wrong_shapes_are_refused_while_tests_run() -> None:
    logits, mask = torch.zeros(2, 1, 8, 8), torch.zeros(3, 1, 32, 32)
    with pytest.raises(jaxtyping.TypeCheckError, match="mask"):
        text_to_pixel_loss(logits, mask)


def test_arguments_and_results_are_checked_and_agree_in_their_axes() -> None:
    @jaxtyping.jaxtyped(typechecker=None)  # as the hook of the tests decorates every function
    def first(x: Float[Tensor, "a b"], count: int) -> Float[Tensor, " a"]:
        return x[:count, 0]

    assert first(torch.zeros(2, 3), 2).shape == (2,)
    with pytest.raises(jaxtyping.TypeCheckError, match="count"):
        first(torch.zeros(2, 3), "2")  # type: ignore[arg-type]
    with pytest.raises(jaxtyping.TypeCheckError, match="return"):
        first(torch.zeros(2, 3), 1)


@pytest.mark.parametrize(
    ("asked", "arguments", "samples"),
    [("0", [], "20"), ("1", ["-p", "xdist", "--numprocesses", "1"], "2000")],
    ids=["quick", "full, from a worker"],
)
def test_demonstrations_print_their_figures(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, asked: str, arguments: list[str], samples: str
) -> None:
    monkeypatch.setenv("CRIS_PROVE", asked)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # they take longer than the test
    pytester.makeconftest(PLUGIN.read_text(encoding="utf-8"))
    pytester.makepyfile(DEMONSTRATION)
    result = pytester.runpytest_subprocess("-m", "prove", *arguments)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"samples taken  {samples}"])
