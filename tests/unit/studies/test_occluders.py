from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cris.data.open import open_dataset
from cris.data.rendered import SceneDataset
from cris.data.scenes import SceneKnobs, Scenes
from cris.data.subset import first
from cris.evaluation.rows import Row
from cris.studies.occluders import by_visible_share, covered, draw_patch, level, move_off, paste
from tests.fixtures.rows import a_row

SEEDS = st.integers(0, 2**32 - 1)


def row(sample: int, iou: float, visible: float | None) -> Row:
    return a_row(sample, picture_id=sample, iou=iou, visible=visible)


def test_rows_are_grouped_by_what_shows_of_their_target() -> None:
    rows = [
        row(place, iou, visible)
        for place, (iou, visible) in enumerate(
            [(0.2, 0.1), (0.4, 0.19), (0.6, 0.2), (1.0, 1.0), (0.8, 0.8), (0.9, None), (0.9, 0.05)]
        )
    ]
    levels = by_visible_share(rows)
    assert [(one.low, one.high, one.count) for one in levels] == [(0.1, 0.2, 2), (0.2, 0.4, 1), (0.8, 1.0, 2)]
    assert [one.mean_iou for one in levels] == pytest.approx([0.3, 0.6, 0.9])
    assert [one.pr50 for one in levels] == [0, 1, 1]
    assert levels[1].interval is None
    low, high = levels[0].interval
    assert 0.2 <= low <= 0.3 <= high <= 0.4


def test_intervals_hold_the_mean_and_shrink_with_more_samples() -> None:
    random = np.random.default_rng(0)
    few, many = ([row(n, float(random.random()), 1.0) for n in range(count)] for count in (20, 500))
    widths = []
    for rows in (few, many):
        one = level(rows, 0.8, 1.0)
        assert one.interval[0] < one.mean_iou < one.interval[1]
        widths.append(one.interval[1] - one.interval[0])
    assert widths[1] < widths[0] / 3


@given(SEEDS, st.floats(0.01, 0.99))
def test_a_patch_hides_the_share_it_should(seed: int, share: float) -> None:
    random = np.random.default_rng(seed)
    target = random.random((20, 30)) < random.random()
    area = int(target.sum())
    if area < 2:
        return
    hidden = int((target & draw_patch(target, share, random)).sum())
    wanted = min(max(1, round(share * area)), area - 1)
    assert hidden >= wanted
    # pixels as far away as the last one are hidden with it: on a grid seldom more than a few
    assert hidden <= wanted + 8


def disc(side: int = 60, radius: int = 12) -> np.ndarray:
    down, right = np.indices((side, side))
    return np.hypot(down - side // 2, right - side // 2) < radius


@given(SEEDS)
def test_a_patch_beside_has_the_same_shape_and_no_pixel_of_the_target(seed: int) -> None:
    target, random = disc(), np.random.default_rng(seed)
    patch = draw_patch(target, 0.3, random)
    moved = move_off(patch, target, random)
    assert moved is not None
    assert not (moved & target).any()
    assert moved.sum() == patch.sum()
    assert move_off(patch, np.ones_like(target), random) is None


def test_patches_show_another_image() -> None:
    image, donor = np.full((40, 60, 3), 10, np.uint8), np.full((7, 9, 3), 200, np.uint8)
    patch = np.zeros((40, 60), dtype=bool)
    patch[5:9, 7:12] = True
    pasted = paste(image, donor, patch)
    assert (pasted[patch] == 200).all()
    assert (pasted[~patch] == 10).all()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.75])
def test_covered_scenes_mean_what_is_left_of_their_target(share: float) -> None:
    examples = open_dataset("scenes", "val", 12)
    found = list(covered(examples, share, "on"))
    assert len(found) == 12
    for before, after in zip(examples.images(), found, strict=True):
        (old,), (new,) = before.references, after.references
        was, left = before.mask(old.targets), after.mask(new.targets)
        assert (new.sentence, new.sample, after.picture_id) == (old.sentence, old.sample, before.picture_id)
        assert not (left & ~was).any()
        assert left.sum() / was.sum() == pytest.approx(1 - share, abs=0.05)
        assert new.visible == pytest.approx(old.visible * left.sum() / was.sum())
        assert (after.image[left] == before.image[left]).all()
        assert (after.image != before.image).any()


def test_beside_leaves_the_target_whole_and_changes_the_image_as_much() -> None:
    examples = open_dataset("scenes", "val", 12)
    on, beside = (list(covered(examples, 0.5, place)) for place in ("on", "beside"))
    assert beside
    originals = {example.name: example for example in examples.images()}
    patched = {example.name: example for example in on}
    for after in beside:
        before = originals[after.name]
        assert (after.mask(after.references[0].targets) == before.mask(before.references[0].targets)).all()
        assert after.references[0].visible == before.references[0].visible
        sizes = [(one.image != before.image).any(axis=2).sum() for one in (after, patched[after.name])]
        assert sizes[0] == pytest.approx(sizes[1], rel=0.1)


def test_the_same_seed_gives_the_same_patches_and_another_one_others() -> None:
    examples = open_dataset("scenes", "val", 3)
    one, same, other = (list(covered(examples, 0.5, "on", seed=seed)) for seed in (1, 1, 2))
    for a, b, c in zip(one, same, other, strict=True):
        assert (a.image == b.image).all()
        assert (a.image != c.image).any()


def test_sentences_that_mean_nothing_are_left_out() -> None:
    examples = first(SceneDataset(Scenes("val", knobs=SceneKnobs(no_target=1.0))), 3)
    assert not list(covered(examples, 0.5, "on"))


@pytest.mark.parametrize("share", [0, 1, -0.5])
def test_shares_that_hide_nothing_or_all_are_refused(share: float) -> None:
    with pytest.raises(ValueError, match="above 0 and below 1"):
        next(covered(open_dataset("scenes", "val", 1), share, "on"))


def test_every_sentence_of_a_image_gets_a_patch_of_its_own() -> None:
    class Twice(SceneDataset):
        def image(self, number: int):
            example = super().image(number)
            (truth,) = example.references
            other = replace(truth, sample=truth.sample + 100, targets=(1 - min(1, truth.targets[0]),))
            return replace(example, references=(truth, other))

    found = list(islice(covered(Twice(Scenes("val")), 0.4, "on"), 4))
    assert [[truth.sample for truth in one.references] for one in found] == [[0], [100], [1], [101]]
