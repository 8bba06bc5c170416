"""Numbers that make no sense are refused by the option's name before anything is built."""

from pathlib import Path

import pytest

from cris.cli import main
from cris.training.config import flat
from cris.training.limits import LIMITS, check_limits
from cris.training.recipes import RECIPES

LIMITED = [name for _, _, names in LIMITS for name in names]


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def test_every_number_of_a_configuration_has_one_limit() -> None:
    assert len(LIMITED) == len(set(LIMITED))
    values = flat(RECIPES["refcoco-rn50-released"]())
    numbers = {name for name, value in values.items() if is_number(value)}
    asked = {name for name in numbers if not name.startswith(("model.", "inference.calibration."))}
    assert asked <= set(LIMITED)
    assert set(LIMITED) <= set(values)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_within_its_limits(name: str) -> None:
    check_limits(RECIPES[name]())


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--sampling.pictures", "0", "at least 1"),
        ("--processes", "-1", "at least 1"),
        ("--checkpoint-every", "0", "at least 1"),
        ("--seed", "-1", "0 or more"),
        ("--optimizer.learning-rate", "nan", "above 0"),
        ("--optimizer.betas", "0.9 1.0", "a share from 0 to below 1"),
        ("--sampling.flip-probability", "1.5", "a share from 0 to 1"),
        ("--inference.input-size", "100", "a multiple of 32"),
    ],
)
def test_a_number_out_of_its_limits_is_wrong_use(
    option: str, value: str, expected: str, tmp_path: Path, capsys
) -> None:
    out = tmp_path / "run"
    assert main(["train", "scenes-tiny-fixed", "--out", str(out), option, *value.split()]) == 2
    assert capsys.readouterr().err == f"cris: error: {option} must be {expected}, got {value}\n"
    assert not out.exists()
