import collections
import itertools

import numpy as np
import pytest

from cris.data.scenes import KINDS, SCENES_VERSION, Scenes
from cris.data.scenes.samples import LENGTHS

# Shares of the standard splits, as docs/scenes.md tells them.
SHARES = {
    "attribute": 0.257, "category": 0.145, "relation": 0.144, "superlative": 0.143,
    "size": 0.101, "ordinal": 0.098, "negation": 0.073, "two_hop": 0.038,
}  # fmt: skip


@pytest.fixture(scope="module")
def samples():
    scenes = Scenes("test")
    return [scenes[index] for index in range(160)]


def same(first, second):
    arrays = zip([first.image, first.mask], [second.image, second.mask], strict=True)
    words = (first.sentence, first.kind, first.targets, first.visibility)
    return words == (second.sentence, second.kind, second.targets, second.visibility) and all(
        np.array_equal(a, b) for a, b in arrays
    )


def test_version_is_one():
    assert SCENES_VERSION == 1


@pytest.mark.parametrize(("split", "length"), [("train", 1_000_000), ("val", 1_000), ("test", 2_000)])
def test_lengths_of_splits(split, length):
    assert len(Scenes(split)) == length


def test_the_same_index_gives_the_same_sample():
    assert same(Scenes("val")[17], Scenes("val")[17])


def test_order_of_access_changes_nothing():
    forward, backward = Scenes("val"), Scenes("val")
    first = [forward[index] for index in range(5)]
    last = [backward[index] for index in reversed(range(5))][::-1]
    assert all(map(same, first, last))


def test_splits_seeds_and_indices_differ():
    made = [
        Scenes("val")[0],
        Scenes("test")[0],
        Scenes("train")[0],
        Scenes("val", seed=1)[0],
        Scenes("val")[1],
    ]
    for first, second in itertools.combinations(made, 2):
        assert not np.array_equal(first.image, second.image)


def test_negative_indices_count_from_the_end():
    assert same(Scenes("val")[-1], Scenes("val")[999])
    assert same(Scenes("val")[-1_000], Scenes("val")[0])


@pytest.mark.parametrize("index", [1_000, -1_001])
def test_indices_past_the_end_are_refused(index):
    with pytest.raises(IndexError, match="1000 samples of split 'val'"):
        Scenes("val")[index]


def test_iteration_gives_samples_in_order_and_ends(monkeypatch):
    monkeypatch.setitem(LENGTHS, "val", 3)
    assert [sample.sentence for sample in Scenes("val")] == [
        Scenes("val")[index].sentence for index in range(3)
    ]


def test_unknown_splits_are_refused():
    with pytest.raises(ValueError, match=r"split must be one of \['test', 'train', 'val'\], got 'testA'"):
        Scenes("testA")


def test_small_sizes_and_empty_requests_are_refused():
    with pytest.raises(ValueError, match="at least 64 pixels, got 63"):
        Scenes("val", size=63)
    with pytest.raises(ValueError, match="expressions must be at least 1, got 0"):
        Scenes("val").scene(0, 0)


@pytest.mark.parametrize("size", [64, 97, 160, 416])
def test_layout_and_sentences_do_not_depend_on_the_size(size):
    reference, resized = Scenes("val").scene(3, 4), Scenes("val", size=size).scene(3, 4)
    assert resized.image.shape == (size, size, 3)
    assert resized.expressions == reference.expressions
    for a, b in zip(reference.objects, resized.objects, strict=True):
        assert (a.category, a.colour, a.size, a.texture) == (b.category, b.colour, b.size, b.texture)
        assert np.allclose(np.array(a.box) / 160, np.array(b.box) / size, atol=2 / size)


def test_a_sample_is_the_first_expression_of_its_scene():
    scenes = Scenes("val")
    for index in range(10):
        sample, scene = scenes[index], scenes.scene(index, 6)
        expression = scene.expressions[0]
        assert (sample.sentence, sample.kind, sample.targets) == (
            expression.sentence,
            expression.kind,
            expression.targets,
        )
        assert np.array_equal(sample.mask, scene.mask(expression))
        assert np.array_equal(sample.image, scene.image)


def test_fewer_expressions_are_the_first_of_more():
    scenes = Scenes("val")
    for index in range(8):
        many = scenes.scene(index, 8).expressions
        for count in (1, 4):
            assert scenes.scene(index, count).expressions == many[:count]


def test_expressions_of_a_scene_differ_in_sentence_target_and_kind():
    scenes = Scenes("val")
    targets, kinds, objects = 0, 0, 0
    for index in range(20):
        scene = scenes.scene(index, 8)
        assert len({expression.sentence.lower() for expression in scene.expressions}) == len(
            scene.expressions
        )
        targets += len({expression.targets for expression in scene.expressions})
        kinds += len({expression.kind for expression in scene.expressions})
        objects += len(scene.objects)
    assert targets > 0.6 * objects
    assert kinds / 20 > 3


def test_masks_are_the_visible_pixels_of_the_target(samples):
    for sample in samples[:50]:
        (target,) = sample.targets
        assert sample.mask.dtype == bool
        assert sample.mask.shape == sample.image.shape[:2] == (160, 160)
        assert np.array_equal(sample.mask, sample.objects[target].mask)
        assert sample.visibility == sample.objects[target].visibility


def test_objects_share_no_pixel_and_boxes_hold_their_masks(samples):
    for sample in samples[:50]:
        assert np.sum([thing.mask for thing in sample.objects], axis=0).max() == 1
        for thing in sample.objects:
            left, top, right, bottom = thing.box
            inside = thing.mask[top:bottom, left:right]
            assert inside.sum() == thing.mask.sum()
            assert inside.any(0).all() or thing.visibility < 1
            assert inside[0].any()
            assert inside[-1].any()
            assert inside[:, 0].any()
            assert inside[:, -1].any()


def test_targets_show_at_least_six_tenths_of_themselves(samples):
    assert min(sample.visibility for sample in samples) >= 0.6
    assert min(thing.visibility for sample in samples for thing in sample.objects) >= 0.35
    assert np.mean([sample.visibility < 1 for sample in samples]) > 0.05


def test_kinds_come_in_their_shares(samples):
    counts = collections.Counter(sample.kind for sample in samples)
    assert set(counts) == set(SHARES) <= set(KINDS)
    for kind, share in SHARES.items():
        assert counts[kind] / len(samples) == pytest.approx(share, abs=0.08), kind


def test_sentences_are_short_and_varied(samples):
    lengths = [len(sample.sentence.split()) for sample in samples]
    assert max(lengths) <= 16
    assert np.mean(lengths) < 6
    assert len({sample.sentence for sample in samples}) > 0.75 * len(samples)


def test_standard_samples_fit_what_they_target(samples):
    assert all(sample.fitting == sample.targets for sample in samples)
