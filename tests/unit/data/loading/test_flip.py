"""Left and right change places, everything else stays, and what cannot be put is refused."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cris.data.loading.flip import flip_sentence, refusal


@pytest.mark.parametrize(
    ("sentence", "mirrored"),
    [
        ("the man on the left", "the man on the right"),
        ("LEFT guy", "RIGHT guy"),
        ("Leftmost person", "Rightmost person"),
        ("left-most, right hand", "right-most, left hand"),
        ("far-right dog", "far-left dog"),
        ("bottomleft chair", "bottomright chair"),
        ("lefty", "righty"),
        ("left-handed batter", "right-handed batter"),
        ("man looking leftwards", "man looking rightwards"),
        ("lft cup", "rgt cup"),
        ("cup on rt", "cup on lt"),
        ("R guy", "L guy"),
        ("the man on far L", "the man on far R"),
        ("lhs", "rhs"),
        ("second from the left", "second from the right"),
        ("third man from left", "third man from right"),
        ("first skier on the left", "first skier on the right"),
        ("last on the right", "last on the left"),
        ("man on left behind the tree", "man on right behind the tree"),
        ("the piece to the left of the right one", "the piece to the right of the left one"),
        ("2nd zebra from the front", "2nd zebra from the front"),
        ("bright leftovers, upright", "bright leftovers, upright"),
        ("the woman in red", "the woman in red"),
    ],
)
def test_sides_change_places_in_every_form(sentence, mirrored):
    assert flip_sentence(sentence) == mirrored
    assert flip_sentence(mirrored) == sentence


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("the second horse", "ordinal"),
        ("man to the right of the first man", "ordinal"),
        ("3rd in line", "ordinal"),
        ("the last bus", "ordinal"),
        ("cup at 3 o'clock", "clock"),
        ("next one clockwise", "clock"),
        ("the lamp facing west", "compass"),
        ("the plane right behind the bus", "not a side"),
        ("right next to the tree", "not a side"),
        ("the only one left", "not a side"),
        ("cup right side up", "not a side"),
        ("2nd to theleft", "spelling"),
        ("man on the rigth", "spelling"),
        ("LeFt man", "spelling"),
        ("the letter R", "spelling"),
        ("r shaped sofa", "spelling"),
        ("player #9", "writing"),
        ("bus 4522", "writing"),
        ("shirt that says stop", "writing"),
        ('the bus with "TAXI"', "writing"),
    ],
)
def test_what_cannot_be_put_is_refused_by_name(sentence, reason):
    assert refusal(sentence) == reason
    assert flip_sentence(sentence) is None


WORDS = [
    *(
        "left",
        "right",
        "Left",
        "RIGHT",
        "leftmost",
        "topleft",
        "l",
        "r",
        "L",
        "lt",
        "rt",
        "lft",
        "rgt",
        "lhs",
    ),
    *("the", "on", "to", "from", "far", "behind", "next", "is", "one", "of", "man", "second", "first", "2nd"),
    *("top", "leftover", "bright", "side", "hand", ",", ".", "-", "'", "in", "facing"),
]


@given(
    st.one_of(
        st.text(),
        st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join),
        st.lists(st.sampled_from(WORDS), max_size=5).map("".join),
    )
)
@example("leftſ")
@example("left behind")
def test_twice_is_the_identity_and_never_refused_half_way(sentence):
    mirrored = flip_sentence(sentence)
    if mirrored is not None:
        assert flip_sentence(mirrored) == sentence


def test_a_refused_sentence_is_refused_when_its_sides_are_exchanged():
    for sentence in ("guy left behind tree", "guy right behind tree"):
        assert refusal(sentence) == "not a side"
