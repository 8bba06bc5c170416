"""Sentences about collages of photographs fit what they mean alone, as told by the independent checker."""

from pathlib import Path

import pytest

from cris.data.collages import Collages
from cris.data.expressions import Wishes
from cris.data.stored import StoredSplit
from tests.fixtures.real import write_real
from tests.property.expression_checker import Checker


@pytest.fixture(scope="module")
def collages(shared_real: Path, tmp_path_factory: pytest.TempPathFactory) -> Collages:
    folder = write_real(shared_real, tmp_path_factory.mktemp("data") / "real")
    wishes = Wishes(is_plural_wanted=True, is_no_target_wanted=True)
    return Collages(StoredSplit(folder, "train"), seed=1, wishes=wishes)


def test_no_other_object_of_a_collage_fits(collages, prove):
    told = 0
    for index in range(prove.count(full=2000, quick=60)):
        collage = collages.collage(index)
        checker = Checker(collage.objects, collage.image)
        for expression in collage.expressions:
            fitting = checker.fitting(expression.sentence)
            told += 1
            # the checker has another eye for colours, and may not see it in what is meant
            if expression.kind == "colour":
                assert fitting <= set(expression.object_ids), (index, expression)
            else:
                assert fitting == set(expression.object_ids), (index, expression)
    prove.figure("collages: sentences that fit what they mean alone", f"{told} of {told}")
    assert told >= 60


def test_masks_of_a_collage_never_share_a_pixel_with_a_pasted_one(collages):
    for index in range(20):
        collage = collages.collage(index)
        pasted = collage.mask(collage.pasted)
        below = tuple(each.id for each in collage.objects if each.id not in collage.pasted)
        assert not (pasted & collage.mask(below)).any()
