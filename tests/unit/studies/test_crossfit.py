from pathlib import Path

import numpy as np
import pytest

from cris.data.dataset import SampleIndex
from cris.data.rendered import SceneDataset
from cris.data.scenes import Scenes
from cris.data.subset import Subset
from cris.studies.crossfit import FoldTraining, deal_folds, fit_fold
from cris.training.setup import find_initial_weights

IMAGES = np.array([0, 0, 1, 2, 2, 2, 5, 5, 9])


def test_a_image_lies_in_one_fold_and_folds_are_alike() -> None:
    folds = deal_folds(IMAGES, 2, seed=0)
    for image in np.unique(IMAGES):
        assert len(set(folds[image == IMAGES].tolist())) == 1
    sizes = [len(np.unique(IMAGES[folds == fold])) for fold in range(2)]
    assert sorted(sizes) == [2, 3]
    assert (deal_folds(IMAGES, 2, seed=0) == folds).all()
    assert any((deal_folds(IMAGES, 2, seed=seed) != folds).any() for seed in (1, 2, 3))


@pytest.mark.parametrize("folds", [0, 1, 6])
def test_folds_that_cannot_be_are_refused(folds: int) -> None:
    with pytest.raises(ValueError, match="2 to the 5 images"):
        deal_folds(IMAGES, folds, seed=0)


def test_a_part_is_its_samples_renumbered() -> None:
    whole = SceneDataset(Scenes("val"))
    part = Subset(whole, np.array([3, 4, 9]))
    assert len(part) == 3
    assert part.index.image.tolist() == part.index.entry.tolist() == [0, 1, 2]
    assert part[2].picture_id == 9
    assert part.view([1], sentences=2).sentences == whole.view([4], sentences=2).sentences


def test_a_fold_is_trained_on_the_others_and_kept(tmp_path: Path) -> None:
    whole = SceneDataset(Scenes("val"))
    training = FoldTraining(start=find_initial_weights("cris-scenes"), steps=1, seed=0, device="cpu")
    seen = []

    class Watched(Subset):
        def view(self, samples, longest=None, *, sentences=0):
            seen.extend(int(self.samples[sample]) for sample in samples)
            return super().view(samples, longest, sentences=sentences)

    watched = Watched(whole, np.arange(40))
    folds = deal_folds(watched.index.image, 2, seed=0)
    segmenter, outcome = fit_fold(training, watched, np.flatnonzero(folds != 0), 0, "data", tmp_path)
    assert outcome.step == 1
    assert set(seen) <= set(np.flatnonzero(folds != 0).tolist())
    assert seen
    again, kept = fit_fold(training, watched, np.flatnonzero(folds != 0), 0, "data", tmp_path)
    assert kept.step == 1
    image = whole[0].image
    assert again.predict(image, "the star").score == segmenter.predict(image, "the star").score
    with pytest.raises(ValueError, match="another"):
        fit_fold(training, watched, np.flatnonzero(folds != 0), 0, "other data", tmp_path)


def test_a_step_takes_as_many_sentences_whatever_a_image_has() -> None:
    training = FoldTraining(start=find_initial_weights("cris-scenes"), steps=1, seed=0, device="cpu")
    for each, expected in ((1, (32, 1)), (2, (16, 2)), (9, (8, 4))):
        image = np.repeat(np.arange(40), each)
        sampling = training.config(SampleIndex(image=image, entry=image), 0, "data").sampling
        assert (sampling.pictures, sampling.sentences) == expected
