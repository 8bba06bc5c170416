import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cris.calibration import IDENTITY, Calibration
from cris.errors import InputError
from cris.letterbox import Letterbox
from cris.masks import decode_rle
from cris.model.output import ModelOutput
from cris.prediction import Prediction, expected_iou, highlight

IMAGE = np.random.default_rng(0).integers(60, 200, (80, 120, 3), dtype=np.uint8)


def prediction(
    logits: np.ndarray | float,
    threshold: float = 0.5,
    protocol: str = "default",
    calibration: Calibration = IDENTITY,
    peak_threshold: float = 0.0,
    relative_threshold: float = 1.0,
) -> Prediction:
    return Prediction.from_output(
        ModelOutput(np.broadcast_to(np.float32(logits), (1, 16, 16)).copy()),
        sentence="the box",
        image=IMAGE,
        letterbox=Letterbox(80, 120, 64, protocol),
        threshold=threshold,
        relative_threshold=relative_threshold,
        peak_threshold=peak_threshold,
        calibration=calibration,
    )


@pytest.fixture
def found() -> Prediction:
    logits = np.full((16, 16), -6.0)
    logits[5:9, 3:10] = 6.0
    return prediction(logits)


@pytest.fixture
def nothing() -> Prediction:
    return prediction(-6.0)


def test_mask_and_probability_have_the_images_size(found):
    assert found.mask.shape == found.probability.shape == IMAGE.shape[:2]
    assert found.mask.dtype == bool
    assert found.probability.dtype == np.float32


def test_a_mask_without_a_high_enough_peak_is_empty_and_keeps_its_score():
    logits = np.full((16, 16), -6.0)
    logits[5:9, 3:10] = 1.0  # 0.73
    kept, emptied = prediction(logits, peak_threshold=0.7), prediction(logits, peak_threshold=0.75)
    assert kept.mask.any()
    assert not emptied.mask.any()
    assert emptied.box is None
    assert emptied.score == kept.score > 0


def test_a_faint_answer_is_cut_at_a_share_of_its_peak_but_not_where_the_caller_sets_the_threshold():
    logits = np.full((16, 16), -6.0)
    logits[5:9, 3:10] = -1.0  # 0.27
    assert not prediction(logits).mask.any()
    faint = prediction(logits, relative_threshold=0.5)
    assert faint.mask.any()
    np.testing.assert_array_equal(faint.mask, prediction(logits, threshold=0.5 * faint.peak).mask)
    assert not faint.at_threshold(0.5).mask.any()
    sure = prediction(-logits, relative_threshold=0.9)  # whose share is above the threshold
    np.testing.assert_array_equal(sure.mask, prediction(-logits).mask)


def test_a_peak_in_the_padding_does_not_count():
    logits = np.full((16, 16), -6.0)
    logits[0] = 6.0  # above the image, which is wider than high
    logits[5:9, 3:10] = 1.0
    assert not prediction(logits, peak_threshold=0.75).mask.any()


def test_the_mask_is_taken_before_probabilities_are_clipped(found):
    values = found.letterbox.restore(found.grid)
    assert values.min() < 0  # the cubic's overshoot
    assert values.max() > 1
    probability = found.probability
    assert probability.min() == 0
    assert probability.max() == 1
    certain = prediction(np.log(found.grid / (1 - found.grid)), 1.0)
    assert certain.mask.any()  # nothing clipped is above 1
    np.testing.assert_array_equal(certain.mask, values > 1)


def test_extreme_logits_are_certainties_without_a_warning(recwarn):
    np.testing.assert_allclose(prediction(1e30).probability, 1, rtol=1e-6)
    np.testing.assert_array_equal(prediction(-1e30).probability, 0)
    assert not recwarn.list


@pytest.mark.parametrize("logit", [np.nan, np.inf])
def test_an_answer_that_is_no_number_is_refused(logit):
    with pytest.raises(ValueError, match="not finite"):
        prediction(logit)


def test_box_surrounds_the_mask(found):
    left, top, right, bottom = found.box
    assert found.mask[top:bottom, left:right].sum() == found.mask.sum()
    assert found.mask[top].any()
    assert found.mask[bottom - 1].any()
    assert found.mask[:, left].any()
    assert found.mask[:, right - 1].any()


def test_the_score_is_calibrated_and_the_mask_is_not():
    logits = np.linspace(-3, 3, 256).reshape(16, 16)
    calibration = Calibration(low=2.0, high=1.5, offset=-1.0)
    raw, calibrated = prediction(logits), prediction(logits, calibration=calibration)
    assert calibrated.score == calibration(raw.score) != raw.score
    np.testing.assert_array_equal(calibrated.mask, raw.mask)


def test_below_the_least_score_nothing_is_found_and_the_score_stays(found):
    for least in (1.5, float("nan")):
        with pytest.raises(InputError, match="a least score must be from 0 to 1"):
            found.at_least(least)
    assert found.at_least(found.score) is found
    refused = found.at_least(found.score + 1e-9)
    assert not refused.mask.any()
    assert refused.box is None
    assert refused.score == found.score
    assert refused.mask.shape == found.mask.shape


def test_an_empty_mask_has_no_box_and_no_score(nothing):
    assert not nothing.mask.any()
    assert nothing.box is None
    assert nothing.score == 0.0
    assert nothing.to_dict()["box"] is None


@pytest.mark.parametrize("protocol", ["default", "released"])
def test_padding_does_not_count_in_the_score(protocol):
    logits = np.full((16, 16), -6.0)
    logits[5:9, 3:10] = 6.0
    padded = logits.copy()
    padded[:2] = padded[-2:] = 0.0  # the image has 64×42 pixels of the input
    assert prediction(padded, protocol=protocol).score == prediction(logits, protocol=protocol).score


def test_score_is_the_expected_iou():
    assert expected_iou(np.float32([[1, 1, 0, 0]]), 0.5) == 1.0
    assert expected_iou(np.float32([[0.8, 0.6, 0.2, 0.4]]), 0.5) == pytest.approx(1.4 / 2.6)
    assert expected_iou(np.float32([[0.2, 0.4]]), 0.5) == 0.0


def test_decided_masks_score_above_vague_ones():
    rng = np.random.default_rng(0)
    shape = np.where(rng.random((16, 16)) > 0.7, 1.0, -1.0)
    scores = [prediction(sharpness * shape).score for sharpness in (0.5, 1, 2, 4, 8)]
    assert scores == sorted(scores)
    assert 0 < scores[0] < 0.5 < scores[-1] < 1


def test_score_is_the_mean_iou_when_probabilities_are_true():
    rng = np.random.default_rng(0)
    probability = rng.beta(0.3, 0.6, (40, 40)).astype(np.float32)
    mask = probability > 0.5
    truths = rng.random((300, 40, 40)) < probability
    ious = (truths & mask).sum((1, 2)) / (truths | mask).sum((1, 2))
    assert expected_iou(probability, 0.5) == pytest.approx(ious.mean(), abs=0.01)


def test_run_lengths_are_the_mask(found):
    np.testing.assert_array_equal(decode_rle(found.to_rle()), found.mask)


def test_the_dictionary_goes_through_json(found):
    content = json.loads(json.dumps(found.to_dict()))
    assert set(content) == {"sentence", "score", "box", "rle"}
    assert content["sentence"] == "the box"
    assert content["score"] == found.score
    assert content["box"] == list(found.box)
    np.testing.assert_array_equal(decode_rle(content["rle"]), found.mask)


def brightness(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L")).astype(float)


def test_overlay_dims_all_but_what_is_found(found):
    before, after = brightness(Image.fromarray(IMAGE)), brightness(found.overlay())
    inner = np.zeros_like(found.mask)
    left, top, right, bottom = found.box
    inner[top + 4 : bottom - 4, left + 4 : right - 4] = True
    far = np.ones_like(found.mask)
    far[top - 4 : bottom + 4, left - 4 : right + 4] = False
    assert found.overlay().size == (120, 80)
    assert after[inner].mean() >= before[inner].mean()
    assert after[far].mean() < 0.7 * before[far].mean()


def test_overlay_of_nothing_is_dim_all_over(nothing):
    assert brightness(nothing.overlay()).mean() < 0.7 * brightness(Image.fromarray(IMAGE)).mean()


@pytest.mark.parametrize("rows", [7, 33, 64])
def test_overlay_drawn_in_strips_is_that_of_the_whole(rows, monkeypatch):
    noise = cv2.GaussianBlur(np.random.default_rng(0).random(IMAGE.shape[:2]).astype(np.float32), (0, 0), 4)
    whole = np.asarray(highlight(IMAGE, noise > 0.5)).astype(int)
    monkeypatch.setattr("cris.prediction._STRIP_PIXELS", rows * IMAGE.shape[1])
    strips = np.asarray(highlight(IMAGE, noise > 0.5)).astype(int)
    assert np.abs(strips - whole).max() <= 3  # lines are rounded anew where a strip cuts them


def test_overlay_leaves_image_and_mask_alone(found):
    image, mask = found.image.copy(), found.mask.copy()
    found.overlay()
    np.testing.assert_array_equal(found.image, image)
    np.testing.assert_array_equal(found.mask, mask)


def test_a_saved_mask_is_black_and_white(found, tmp_path: Path):
    path = tmp_path / "маска.PNG"
    found.save(path)
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image), np.where(found.mask, 255, 0))
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_saving_replaces_a_file(found, nothing, tmp_path):
    path = str(tmp_path / "mask.png")
    found.save(path)
    nothing.save(path)
    with Image.open(path) as image:
        assert not np.asarray(image).any()


def test_only_png_is_written(found, tmp_path):
    with pytest.raises(ValueError, match=r"saved as .png, got .*mask.jpg"):
        found.save(tmp_path / "mask.jpg")
    assert not list(tmp_path.iterdir())


def test_a_failed_save_leaves_what_was_there(found, tmp_path, monkeypatch):
    path = tmp_path / "mask.png"
    path.write_bytes(b"before")

    def fail(self: Image.Image, file: io.BufferedWriter, format: str) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="No space left"):
        found.save(path)
    assert path.read_bytes() == b"before"
    assert [file.name for file in tmp_path.iterdir()] == ["mask.png"]


def test_saving_into_no_folder_is_an_os_error(found, tmp_path):
    with pytest.raises(FileNotFoundError):
        found.save(tmp_path / "nowhere" / "mask.png")


@pytest.mark.parametrize("peak", [0.0, 0.75])
@pytest.mark.parametrize("threshold", [0.1, 0.6, 0.72, 1.0])
def test_another_threshold_gives_what_the_model_would_have_said_at_it(threshold, peak):
    logits = np.full((16, 16), -6.0)
    logits[5:9, 3:10] = np.linspace(-1, 1, 7)
    calibration = Calibration(low=0.5, high=2.0, offset=-1.0)
    at = prediction(logits, calibration=calibration, peak_threshold=peak).at_threshold(threshold)
    expected = prediction(logits, threshold, calibration=calibration, peak_threshold=peak)
    np.testing.assert_array_equal(at.mask, expected.mask)
    assert at.score == expected.score


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_is_a_probability(found, threshold):
    with pytest.raises(InputError, match="a threshold must be from 0 to 1"):
        found.at_threshold(threshold)


def test_a_cut_out_keeps_what_was_found_at_the_images_size(found, nothing):
    cutout = np.asarray(found.cutout())
    assert cutout.shape == (80, 120, 4)
    np.testing.assert_array_equal(cutout[..., 3] == 255, found.mask)
    np.testing.assert_array_equal(cutout[found.mask][:, :3], IMAGE[found.mask])
    assert not cutout[~found.mask].any()
    assert not np.asarray(nothing.cutout()).any()


def test_it_prints_in_one_line(found, nothing):
    where = f"score {found.score:.3f}, box {found.box}"
    assert repr(found) == f"Prediction('the box', {where}, 120×80 pixels)"
    assert repr(nothing) == "Prediction('the box', score 0.000, nothing found, 120×80 pixels)"
