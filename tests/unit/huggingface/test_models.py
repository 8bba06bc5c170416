"""Models of the hub, tiny and random, against transformers itself."""

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from torch.nn.functional import interpolate
from transformers.models.grounding_dino.image_processing_pil_grounding_dino import (
    GroundingDinoImageProcessorPil,
)
from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from cris import Segmenter
from cris.masks import encode_rle
from tests.fixtures.prompted import make_clipseg, make_detector, make_sam, make_sam3

SIZES = [(50, 80), (90, 41), (64, 64), (7, 5)]
"""Height and width of images: across, upright, as the models see them, and tiny."""
SENTENCES = ["the red dog", "a man holding an umbrella", "left"]


def image_of(height: int, width: int) -> np.ndarray:
    coarse = np.random.default_rng(height).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    rows, columns = np.arange(height) * 4 // height, np.arange(width) * 6 // width
    return coarse[rows][:, columns]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("prompted")
    made = {
        "clipseg": make_clipseg(root / "clipseg"),
        "detector": make_detector(root / "detector"),
        "sam": make_sam(root / "sam"),
        "sam3": make_sam3(root / "sam3"),
    }
    return {name: folder.resolve() for name, folder in made.items()}


@pytest.fixture
def clipseg(folders: dict[str, Path]) -> Segmenter:
    return Segmenter.from_pretrained(f"hf:{folders['clipseg']}", "cpu")


@pytest.fixture
def grounded(folders: dict[str, Path]) -> Segmenter:
    return Segmenter.from_pretrained(f"hf:{folders['detector']}+{folders['sam']}", "cpu")


@pytest.mark.parametrize("size", SIZES)
def test_clipseg_answers_as_transformers(folders: dict[str, Path], clipseg: Segmenter, size) -> None:
    folder, image = folders["clipseg"], image_of(*size)
    processor = ViTImageProcessorPil.from_pretrained(folder)
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(SENTENCES, padding=True, return_tensors="pt")
    pixels = processor([image] * len(SENTENCES), return_tensors="pt").pixel_values
    model = transformers.CLIPSegForImageSegmentation.from_pretrained(folder).eval()
    with torch.inference_mode():
        expected = model(pixel_values=pixels, **tokens).logits.sigmoid()
    found = clipseg.predict(image, SENTENCES)
    assert np.ptp(expected.numpy()) > 0.5
    for prediction, grid in zip(found, expected, strict=True):
        np.testing.assert_allclose(prediction.grid, grid.numpy(), atol=1e-5)
        at_image = interpolate(grid[None, None], size, mode="bilinear", align_corners=False)[0, 0].numpy()
        np.testing.assert_allclose(prediction.probability, at_image, atol=1e-5)
        close = np.abs(at_image - 0.5) < 1e-5
        assert ((prediction.mask == (at_image > 0.5)) | close).all()
        assert prediction.mask.shape == size
        assert prediction.present is None


def test_the_best_box_of_grounding_dino_becomes_the_mask_of_sam(
    folders: dict[str, Path], grounded: Segmenter
) -> None:
    detector = transformers.GroundingDinoForObjectDetection.from_pretrained(folders["detector"]).eval()
    sam = transformers.SamModel.from_pretrained(folders["sam"]).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folders["detector"])
    boxes_of = GroundingDinoImageProcessorPil.from_pretrained(folders["detector"])
    masks_of = SamImageProcessorPil.from_pretrained(folders["sam"])
    for size in SIZES[:2]:
        image = image_of(*size)
        found = grounded.predict(image, SENTENCES)
        for sentence, prediction in zip(SENTENCES, found, strict=True):
            with torch.inference_mode():
                pixels = boxes_of(image, return_tensors="pt")
                seen = detector(**pixels, **tokenizer([f"{sentence}."], return_tensors="pt"))
                (hits,) = boxes_of.post_process_object_detection(seen, 0.0, [size])
                best = hits["scores"].argmax()
                inputs = masks_of(image, return_tensors="pt")
                rows, columns = inputs["reshaped_input_sizes"][0].tolist()
                scale = torch.tensor([columns / size[1], rows / size[0]] * 2)
                drawn = sam(
                    pixel_values=inputs["pixel_values"],
                    input_boxes=(hits["boxes"][best] * scale)[None, None],
                    multimask_output=False,
                )
                (expected,) = masks_of.post_process_masks(
                    drawn.pred_masks, [size], inputs["reshaped_input_sizes"], binarize=False
                )
            score = float(hits["scores"][best])
            logits = expected[0, 0].numpy()
            np.testing.assert_allclose(prediction.probability, 1 / (1 + np.exp(-logits)), atol=1e-5)
            assert prediction.certainty == pytest.approx(score, abs=1e-5)
            assert prediction.present == pytest.approx(score * prediction.peak, abs=1e-5)
            assert prediction.is_present == (score * prediction.peak > 0.25)
            assert prediction.score <= prediction.certainty


@pytest.mark.skipif(not hasattr(transformers, "Sam3Model"), reason="this transformers has no SAM 3")
def test_sam_3_finds_everything_that_fits(folders: dict[str, Path]) -> None:
    folder = folders["sam3"]
    opened = Segmenter.from_pretrained(f"hf:{folder}", "cpu")
    model = transformers.Sam3Model.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    image = image_of(56, 56)
    pixels = ViTImageProcessorPil(size={"height": 56, "width": 56})(image, return_tensors="pt").pixel_values
    for sentence in SENTENCES:
        tokens = tokenizer([sentence], padding="max_length", max_length=32, return_tensors="pt")
        with torch.inference_mode():
            seen = model(pixel_values=pixels, **tokens)
        scores = (seen.pred_logits.sigmoid() * seen.presence_logits.sigmoid())[0]
        counted = scores > min(0.3, scores.max() - 1e-7)
        expected = seen.pred_masks.sigmoid()[0, counted].amax(dim=0)
        prediction = opened.predict(image, sentence)
        np.testing.assert_allclose(prediction.grid, expected.numpy(), atol=1e-5)
        assert prediction.certainty == pytest.approx(float(scores.max()), abs=1e-5)


@pytest.mark.parametrize("name", ["clipseg", "detector+sam", "sam3"])
def test_answers_do_not_depend_on_what_is_asked_along(folders: dict[str, Path], name: str) -> None:
    address = "hf:" + "+".join(str(folders[part]) for part in name.split("+"))
    together = Segmenter.from_pretrained(address, "cpu", batch_size=4)
    images = [image_of(*size) for size in SIZES[:3]]
    batch = together.predict_batch(images, [SENTENCES] * 3)
    encoded = together.encode(images[1])
    assert encoded.nbytes > images[1].nbytes
    for predictions, image in zip(batch, images, strict=True):
        for prediction, sentence in zip(predictions, SENTENCES, strict=True):
            alone = together.predict(image, sentence)
            np.testing.assert_allclose(prediction.grid, alone.grid, atol=1e-5)
    assert encode_rle(encoded.predict(SENTENCES)[0].mask) == batch[1][0].to_rle()


def test_a_sentence_that_is_too_long_is_cut_with_a_warning_or_refused(folders: dict[str, Path]) -> None:
    long = " ".join(["the red dog"] * 10)
    address = f"hf:{folders['clipseg']}"
    opened = Segmenter.from_pretrained(address, "cpu")
    with pytest.warns(UserWarning, match="is longer than the model's 20 tokens: '.*dog' is not read"):
        assert opened.predict(image_of(8, 8), long).mask.shape == (8, 8)
    strict = Segmenter.from_pretrained(address, "cpu", is_strict=True)
    with pytest.raises(ValueError, match=r"is longer than the model's 20 tokens: shorten it by '.*dog'"):
        strict.predict(image_of(8, 8), long)
    with pytest.raises(ValueError, match="got the blank ' '"):
        strict.predict(image_of(8, 8), " ")


def test_a_perfect_mask_on_the_model_s_grid_is_the_ceiling(clipseg: Segmenter) -> None:
    whole = np.zeros((64, 128), dtype=bool)
    whole[16:48, 32:96] = True
    assert clipseg.ceiling(whole) == 1
    fine = np.indices((64, 128)).sum(axis=0) % 2 == 0
    assert clipseg.ceiling(fine) < 0.6
