import pytest

from cris.data.scenes import SceneKnobs, Scenes

COUNT = 40


def samples(**knobs):
    scenes = Scenes("val", knobs=SceneKnobs(**knobs))
    return [scenes[index] for index in range(COUNT)]


def test_all_knobs_are_off_by_default():
    assert Scenes("val").knobs == SceneKnobs() == SceneKnobs(ambiguous=0.0, occluded=None)


def test_ambiguous_samples_say_which_objects_fit():
    for sample in samples(ambiguous=1.0):
        assert sample.kind == "ambiguous"
        assert len(sample.targets) == 1
        assert len(sample.fitting) >= 2
        assert set(sample.targets) < set(sample.fitting)
        assert sample.mask.any()


def test_mislabelled_samples_keep_the_truth():
    for sample in samples(mislabelled=1.0):
        assert len(sample.targets) == len(sample.fitting) == 1
        assert sample.targets != sample.fitting
        assert (sample.mask == sample.objects[sample.targets[0]].mask).all()


def test_samples_without_target_have_empty_masks_and_no_nan():
    for sample in samples(no_target=1.0):
        assert sample.kind == "no_target"
        assert sample.targets == sample.fitting == ()
        assert not sample.mask.any()
        assert sample.visibility == 1.0


def test_plural_samples_mask_all_their_targets():
    for sample in samples(several_targets=1.0):
        assert sample.kind == "plural"
        assert len(sample.targets) >= 2
        assert sample.mask.sum() == sum(sample.objects[target].mask.sum() for target in sample.targets)


@pytest.mark.parametrize("occluded", [(0.1, 0.6), (0.3, 0.45)])
def test_occluded_targets_show_a_share_within_the_range(occluded):
    for sample in samples(occluded=occluded):
        assert occluded[0] <= sample.visibility <= occluded[1]
        assert sample.mask.any()


def test_shares_of_knobs_are_met():
    knobs = {"ambiguous": 0.25, "mislabelled": 0.25, "no_target": 0.25, "several_targets": 0.25}
    made = samples(**knobs)
    counts = [sum(sample.kind == kind for sample in made) for kind in ("ambiguous", "no_target", "plural")]
    wrong = sum(not set(sample.targets) & set(sample.fitting) and bool(sample.targets) for sample in made)
    assert sum(counts) + wrong == COUNT
    assert all(0.08 < count / COUNT < 0.45 for count in [*counts, wrong])


def test_knobs_work_together_with_occlusion():
    scenes = Scenes("val", size=64, knobs=SceneKnobs(ambiguous=0.5, occluded=(0.2, 0.5)))
    made = [scenes[index] for index in range(30)]
    assert all(0.2 <= sample.visibility <= 0.5 for sample in made)
    assert 5 < sum(sample.kind == "ambiguous" for sample in made) < 25


@pytest.mark.parametrize(
    "knobs",
    [
        {"ambiguous": -0.1},
        {"ambiguous": 0.6, "no_target": 0.6},
        {"occluded": (0.5, 0.2)},
        {"occluded": (0.0, 0.5)},
    ],
)
def test_impossible_knobs_are_refused(knobs):
    with pytest.raises(ValueError, match="got"):
        SceneKnobs(**knobs)


def test_knobs_that_no_layout_allows_are_named(monkeypatch):
    monkeypatch.setattr("cris.data.scenes.samples.MOST_LAYOUTS", 3)
    with pytest.raises(ValueError, match="widen the knobs"):
        Scenes("val", knobs=SceneKnobs(occluded=(0.100001, 0.100002)))[0]
