"""What fields of files from elsewhere may be."""

import math

import pytest

from cris.data.annotations.fields import SourceRow, as_whole, is_finite, read_json
from cris.errors import InputError


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (10, 10),
        (10.0, 10),
        (-3, -3),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        (2.0**53, 2**53),
        (2**63, None),
        (-(2**63) - 1, None),
        (2.0**54, None),  # stands for several whole numbers
        (10.5, None),
        (math.nan, None),
        (math.inf, None),
        (True, None),
        ("10", None),
        (None, None),
    ],
)
def test_whole_numbers_are_those_that_64_bits_hold(value, number):
    assert as_whole(value) == number


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2**63, r"a\.json: row 1: id must be a whole number of at most 64 bits, got 9223372036854775808"),
        (10**30, "at most 64 bits"),
        (0, "a whole number from 1 on, got 0"),
        ("x", "a whole number from 1 on, got 'x'"),
    ],
)
def test_an_id_that_is_none_is_named(value, message):
    with pytest.raises(InputError, match=message):
        SourceRow("a.json: row 1", {"id": value}).whole("id", least=1)


def test_numbers_beyond_all_floats_are_not_finite():
    assert not is_finite(10**400)
    with pytest.raises(InputError, match="area must be a list of finite numbers"):
        SourceRow("a.json: row 1", {"area": [10**400]}).numbers("area")


def test_text_that_no_file_can_hold_is_refused():
    with pytest.raises(InputError, match="name must be text without halves of a surrogate pair"):
        SourceRow("a.json: row 1", {"name": "a\ud800"}).text("name")


def test_a_number_of_thousands_of_digits_is_told_of_its_file(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[1" + "0" * 5000 + "]")
    with pytest.raises(InputError, match=r"a\.json is not JSON that can be read"):
        read_json(path)
