from dataclasses import replace

import numpy as np
import pytest

import cris
from cris.data.dataset import AnnotatedImage, AnnotatedObject, Dataset, Reference, SampleIndex
from cris.data.open import open_dataset
from cris.errors import InputError
from cris.evaluation.metrics import METRICS, Metric, mean
from cris.segmenter import Segmenter


class Squares(Dataset):
    """A data set of someone's own: a white square on black, and two sentences about it."""

    def __init__(self, count: int) -> None:
        self.name, self.split = "squares", "test"
        self.identity = ["squares", count]
        self.index = SampleIndex.counted(count * [2])

    def image(self, number: int) -> AnnotatedImage:
        mask = np.zeros((40, 50), dtype=bool)
        mask[5 + number : 20 + number, 10:30] = True
        return AnnotatedImage(
            name=f"square-{number}",
            picture_id=number,
            image=np.repeat(255 * mask[..., None].astype(np.uint8), 3, axis=2),
            objects=(AnnotatedObject("square", lambda: mask),),
            references=tuple(
                Reference(sample=sample, ref_id=sample, sentence=sentence, targets=targets)
                for sample, sentence, targets in zip(
                    self.index.of_image(number), ("the square", "the circle"), ((0,), ()), strict=True
                )
            ),
        )


LONG = Metric(
    name="long_iou",
    title="IoU of <long>",
    meaning="Mean IoU over sentences of two words or more.",
    figure=lambda row: row.iou if row.words >= 2 else None,
    aggregate=mean(),
)


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.from_pretrained("cris-scenes", "cpu")


def test_a_data_set_and_a_metric_of_ones_own_are_measured(segmenter: Segmenter) -> None:
    evaluation = cris.evaluate(segmenter, Squares(3), metrics=[*METRICS, LONG], progress=False)
    assert [row.sample for row in evaluation.rows] == [*range(6)]
    assert [row.is_no_target for row in evaluation.rows] == 3 * [False, True]
    assert evaluation.total["long_iou"] == evaluation.total["mean_iou"]
    assert evaluation.total["n_acc"] is not None
    assert repr(evaluation).startswith("Evaluation(6 samples: mean IoU ")
    assert "IoU of <long>" in str(evaluation)
    assert "IoU of &lt;long&gt;" in evaluation._repr_html_()


def test_samples_and_views_follow_from_the_images() -> None:
    squares = Squares(2)
    assert (len(squares), squares.image_count) == (4, 2)
    assert squares[2].sentence == "the square"
    assert squares[2].mask.sum() == 300
    assert not squares[-1].mask.any()
    view = squares.view([2, 3], sentences=3)
    assert view.sentences == ("the square", "the circle", "the square")
    assert (view.meant, len(view.masks)) == ((0, 1, 0), 2)


def test_a_named_model_gives_the_rows_of_its_segmenter(
    segmenter: Segmenter, capsys: pytest.CaptureFixture[str]
) -> None:
    named = cris.evaluate("cris-scenes", "scenes", split="val", limit=3, device="cpu", processes=1)
    asked = cris.evaluate(segmenter, open_dataset("scenes", "val"), limit=3)
    assert [row.sentence for row in named.rows] == [row.sentence for row in asked.rows]
    assert named.total["mean_iou"] == pytest.approx(asked.total["mean_iou"], abs=0.02)
    assert capsys.readouterr().out == ""


def test_options_of_a_named_model_are_refused_for_a_segmenter(segmenter: Segmenter) -> None:
    with pytest.raises(InputError, match="a segmenter is asked as it is"):
        cris.evaluate(segmenter, Squares(1), threshold=0.5)


def test_rows_without_masks_say_so(segmenter: Segmenter) -> None:
    (row, *_) = cris.evaluate(segmenter, Squares(1), progress=False).rows
    assert row.mask.shape == (40, 50)
    with pytest.raises(InputError, match="without keeping its mask"):
        _ = replace(row, rle=None).mask
