import json
from collections import Counter
from pathlib import Path

import pytest

from cris.evaluation.kinds import KINDS_BY_RULE, count_words, kind_of


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("the man without a hat", "negation"),
        ("the horse that isn't covered", "negation"),
        ("not the left one", "negation"),
        ("second horse from the right", "ordinal"),
        ("the 2nd bus", "ordinal"),
        ("last zebra next to the tree", "ordinal"),
        ("dog next to the man", "relational"),
        ("the cup left of the laptop", "relational"),
        ("a cat in a sink", "relational"),
        ("left of the picture", "spatial"),
        ("left guy", "spatial"),
        ("the person in the back", "spatial"),
        ("bottom right donut", "spatial"),
        ("THE LAPTOP ON THE LEFT", "spatial"),
        ("man in red", "attribute"),
        ("a man in a blue shirt", "attribute"),
        ("the biggest boat", "attribute"),
        ("the man", "plain"),
        ("notable nobleman", "plain"),
        ("", "plain"),
    ],
)
def test_a_sentence_relies_on_what_is_hardest_in_it(sentence: str, kind: str) -> None:
    assert kind_of(sentence) == kind


def test_real_sentences_are_of_all_kinds(shared_real: Path) -> None:
    content = json.loads((shared_real / "refcocog_sentences.json").read_text(encoding="utf-8"))
    counts = Counter(map(kind_of, content["sentences"]))
    assert counts.keys() == set(KINDS_BY_RULE)
    assert counts["plain"] < 0.15 * counts.total()


@pytest.mark.parametrize(
    ("sentence", "words"),
    [("the man's t-shirt", 3), ("  left, 2nd dog! ", 3), ("", 0), ("…", 0), ("der größte Hund", 3)],
)
def test_words_are_counted_without_punctuation(sentence: str, words: int) -> None:
    assert count_words(sentence) == words
