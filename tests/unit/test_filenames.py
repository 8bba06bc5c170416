import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cris.filenames import result_names, slug

PAIRS = st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the man in red", "the-man-in-red"),
        ("IMG_2041 (copy)", "img-2041-copy"),
        ("../../etc/passwd", "etc-passwd"),
        ("Käse & Brot", "käse-brot"),
        ("зелёный круг", "зелёный-круг"),
        ("左边的猫", "左边的猫"),
        ("लाल बिल्ली", "लाल-बिल्ली"),
        ("ｆｕｌｌ　ｗｉｄｔｈ", "full-width"),
        ("…!?", "unnamed"),
        ("\udcff", "unnamed"),
    ],
)
def test_slug_keeps_letters_of_every_script(text: str, expected: str) -> None:
    assert slug(text, 80) == unicodedata.normalize("NFKC", expected)


@given(st.text(), st.integers(1, 40))
def test_slug_is_a_safe_short_name(text: str, longest: int) -> None:
    name = slug(text, longest)
    assert name == "unnamed" or len(name.encode()) <= longest
    assert name
    assert not set(name) & set('/\\:*?"<>|\0. \n')
    assert not name.startswith("-")


@given(PAIRS)
def test_names_never_clash(pairs: list[tuple[str, str]]) -> None:
    names = result_names(pairs)
    assert len({name.casefold() for name in names}) == len(pairs)


def test_what_would_be_alike_gets_numbers_in_order() -> None:
    pairs = [("a", "red cat"), ("a", "Red cat!"), ("a", "red cat 2"), ("a-red", "cat")]
    assert result_names(pairs) == ["a-red-cat", "a-red-cat-2", "a-red-cat-2-2", "a-red-cat-3"]


def test_long_names_fit_every_file_system() -> None:
    (name,) = result_names([("図" * 200, "見" * 200)])
    assert len(f"{name}-9999.overlay.png".encode()) <= 255
