from cris.data.scenes import SceneKnobs, Scenes, vocabulary
from cris.data.scenes.layout import COLOURS, SIZES, TEXTURES
from cris.data.scenes.shapes import CATEGORIES
from cris.data.scenes.words import ADJECTIVES, NOUNS, plural


def test_every_attribute_of_a_layout_has_words():
    assert set(NOUNS) == set(CATEGORIES)
    assert [set(ADJECTIVES[name]) for name in ("colour", "size", "texture")] == [
        set(COLOURS),
        set(SIZES),
        set(TEXTURES),
    ]


def test_no_word_stands_for_two_values():
    words = [word for names in NOUNS.values() for word in set(names)]
    words += [word for table in ADJECTIVES.values() for names in table.values() for word in set(names)]
    assert len(words) == len(set(words))


def test_all_words_of_sentences_are_in_the_vocabulary():
    told = set()
    knobs = SceneKnobs(ambiguous=0.3, no_target=0.3, several_targets=0.3)
    for scenes in (Scenes("train"), Scenes("train", knobs=knobs)):
        for index in range(70):
            for expression in scenes.scene(index).expressions:
                told.update(expression.sentence.lower().split())
    assert told <= vocabulary()
    assert len(told) > 0.9 * len(vocabulary()), f"hardly ever said: {sorted(vocabulary() - told)}"


def test_vocabulary_holds_single_lower_case_words():
    assert all(word and word == word.lower().strip() and " " not in word for word in vocabulary())


def test_plurals():
    assert [plural(noun) for noun in ("star", "cross", "lightning bolt", "rhombus")] == [
        "stars",
        "crosses",
        "lightning bolts",
        "rhombuses",
    ]
