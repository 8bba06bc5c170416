"""Sentences of Scenes fit exactly their target, as told by a checker written apart from the grammar."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cris.data.scenes import Scene, SceneExpression, SceneKnobs, Scenes
from tests.property.scene_checker import Checker, Reading

EXPRESSIONS = 4


def told(scenes: Scenes, count: int) -> Iterator[tuple[Scene, SceneExpression, Reading]]:
    """Expressions about the first `count` scenes, with what the checker reads in them."""
    for index in range(count):
        scene = scenes.scene(index, EXPRESSIONS)
        checker = Checker(scene.objects, scenes.size)
        for expression in scene.expressions:
            yield scene, expression, checker.read(expression.sentence)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_exactly_the_target_fits_each_sentence(split, prove):
    scenes = Scenes(split)
    checked = 0
    for scene, expression, reading in told(scenes, prove.count(full=min(len(scenes), 5_000), quick=120)):
        what = f"{expression} read as {reading} among {[(o.category, o.box) for o in scene.objects]}"
        assert len(expression.targets) == 1, what
        assert set(expression.targets) == reading.sure == reading.possible, what
        assert expression.fitting == expression.targets, what
        checked += 1
    prove.figure(f"scenes, {split}: sentences that fit their target alone", f"{checked} of {checked}")


@settings(max_examples=40)
@given(seed=st.integers(0, 2**63), index=st.integers(0, 999_999))
def test_every_seed_and_index_gives_unambiguous_sentences(seed, index):
    scene = Scenes("train", seed=seed).scene(index, EXPRESSIONS)
    checker = Checker(scene.objects, 160)
    for expression in scene.expressions:
        reading = checker.read(expression.sentence)
        assert set(expression.targets) == reading.sure == reading.possible, expression


def test_ambiguous_sentences_fit_all_that_are_said_to_fit():
    for _, expression, reading in told(Scenes("val", knobs=SceneKnobs(ambiguous=1.0)), 40):
        assert len(expression.targets) == 1
        assert len(reading.sure) >= 2
        assert set(expression.targets) < set(expression.fitting) == reading.sure, expression


def test_mislabelled_sentences_fit_another_object_than_the_target():
    for _, expression, reading in told(Scenes("val", knobs=SceneKnobs(mislabelled=1.0)), 40):
        assert set(expression.fitting) == reading.sure == reading.possible, expression
        assert len(expression.targets) == 1
        assert not set(expression.targets) & reading.possible, expression


def test_sentences_without_target_fit_nothing():
    for _, expression, reading in told(Scenes("val", knobs=SceneKnobs(no_target=1.0)), 40):
        assert expression.targets == expression.fitting == (), expression
        assert not reading.possible, expression


def test_plural_sentences_fit_all_their_targets_and_nothing_else():
    for _, expression, reading in told(Scenes("val", knobs=SceneKnobs(several_targets=1.0)), 40):
        assert len(expression.targets) >= 2
        assert set(expression.targets) == set(expression.fitting) == reading.sure == reading.possible, (
            expression
        )
        if {"both", "two"} & set(expression.sentence.lower().split()):
            assert len(expression.targets) == 2, expression


def test_sentences_about_occluded_targets_fit_them_alone():
    for scene, expression, reading in told(Scenes("val", knobs=SceneKnobs(occluded=(0.1, 0.6))), 40):
        assert set(expression.targets) == reading.sure == reading.possible, expression
        (target,) = expression.targets
        assert 0.1 <= scene.objects[target].visibility <= 0.6
