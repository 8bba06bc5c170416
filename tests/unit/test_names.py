"""The same name, as different systems write it."""

import unicodedata

from cris.names import KnownNames, comparable

COMPOSED = "bilder/Übung_é.jpg"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


def test_writings_of_one_name_are_comparable():
    assert COMPOSED != DECOMPOSED
    assert comparable(COMPOSED) == comparable(DECOMPOSED) == comparable(r"bilder\Übung_é.jpg")
    assert comparable("a.jpg") != comparable("A.jpg")


def test_a_name_is_found_however_it_is_written():
    known = KnownNames([DECOMPOSED, r"x\y.jpg", "z.jpg"])
    assert known.find(COMPOSED) == known.find(DECOMPOSED) == DECOMPOSED
    assert known.find("x/y.jpg") == r"x\y.jpg"
    assert known.find("y.jpg") is None
    assert list(known) == [DECOMPOSED, r"x\y.jpg", "z.jpg"]


def test_a_name_that_is_known_as_it_is_stands_for_itself():
    known = KnownNames([COMPOSED, DECOMPOSED])
    assert (known.find(COMPOSED), known.find(DECOMPOSED)) == (COMPOSED, DECOMPOSED)
