import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cris import Segmenter
from cris.cli.segment import Command
from cris.conversions import to_yolo
from cris.masks import box_of, decode_rle
from tests.cli.conftest import Cris, left_behind, record

RED, LEFT = "the red ring", "the leftmost star"
LONG = "the small striped star that is left of the large blue ring and above the tiny dotted green cross"


def test_masks_overlays_and_record_are_written(segment: Cris, image: Path) -> None:
    outcome = segment(image, RED, LEFT)
    assert (outcome.code, outcome.err) == (0, "")
    names = ["street-the-leftmost-star", "street-the-red-ring"]
    written = {path.name for path in Path("out").iterdir()}
    assert written == {"results.json"} | {
        f"{name}.{kind}.png" for name in names for kind in ("mask", "overlay")
    }
    for name in names:
        mask, overlay = (Image.open(f"out/{name}.{kind}.png") for kind in ("mask", "overlay"))
        assert (mask.size, mask.mode, overlay.size, overlay.mode) == ((60, 40), "L", (60, 40), "RGB")
        assert set(np.unique(mask)) <= {0, 255}


def test_record_holds_what_the_segmenter_says(segment: Cris, image: Path, checkpoint: Path) -> None:
    segment(image, RED, LEFT)
    predictions = Segmenter.from_pretrained(checkpoint, "cpu").predict(image, [RED, LEFT])
    (entry,) = record()["pictures"]
    assert (entry["picture"], entry["width"], entry["height"]) == (str(image), 60, 40)
    for result, prediction in zip(entry["results"], predictions, strict=True):
        assert result["sentence"] == prediction.sentence
        assert result["score"] == pytest.approx(prediction.score, rel=1e-4)
        mask = np.array(Image.open(f"out/{result['mask']}")) > 0
        np.testing.assert_array_equal(mask, prediction.mask)
        np.testing.assert_array_equal(mask, decode_rle(result["rle"]))
        box = box_of(mask)
        assert result["box"] == (None if box is None else list(box))


def test_each_mask_gets_a_line(segment: Cris, image: Path) -> None:
    lines = segment(image, RED, "[bold]left[/bold] :star:").out.splitlines()
    assert len(lines) == 2
    for line, result in zip(lines, record()["pictures"][0]["results"], strict=True):
        where = "nothing found" if result["box"] is None else f"box {' '.join(map(str, result['box']))}"
        for part in (
            str(image),
            f"“{result['sentence']}”",
            f"score {result['score']:.2f}",
            where,
            result["mask"],
        ):
            assert part in line


def test_json_is_all_that_is_printed(segment: Cris, image: Path) -> None:
    outcome = segment(image, RED, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert json.loads(outcome.out) == record()


def test_default_folders_count_up_and_nothing_is_overwritten(
    cris: Cris, image: Path, checkpoint: Path
) -> None:
    for sentence in (RED, LEFT, RED, "the star"):
        assert cris("segment", image, sentence, "--model", checkpoint).code == 0
    found = {
        folder.name: json.loads((folder / "results.json").read_text())["pictures"][0]["results"][0][
            "sentence"
        ]
        for folder in Path().glob("cris-out*")
    }
    assert found == {"cris-out": RED, "cris-out-2": LEFT, "cris-out-3": "the star"}


def test_json_without_a_folder_writes_nothing_but_stdout(cris: Cris, image: Path, checkpoint: Path) -> None:
    for sentence in (RED, LEFT):
        outcome = cris("segment", image, sentence, "--model", checkpoint, "--json")
        assert (outcome.code, outcome.err) == (0, "")
        content = json.loads(outcome.out)
        (result,) = content["pictures"][0]["results"]
        assert result["sentence"] == sentence
        assert content["files"] == []
        assert not {"mask", "overlay"} & result.keys()
    assert left_behind() == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("street.jpg", " "), "got a blank sentence"),
        (("notes.txt", RED), "expected an image"),
        (("none.jpg", RED), "none.jpg"),
        (("https://example.org/street.jpg", RED), "got an address"),
    ],
)
def test_inputs_are_checked_before_the_folder(
    arguments: tuple[str, str], told: str, segment: Cris, image: Path
) -> None:
    assert segment(image, LEFT).code == 0  # out now holds another job's results
    image.with_name("notes.txt").write_text("no image")
    outcome = segment(*arguments)
    assert outcome.is_short_error(outcome.code)
    assert told in outcome.err
    assert "another job" not in outcome.err


def test_words_without_quotes_get_a_hint(segment: Cris, image: Path) -> None:
    outcome = segment(image, "a", "dog")
    assert outcome.code == 0
    assert outcome.err == (
        "cris: warning: each of these 2 words is asked by itself, 'a' too: "
        'put a sentence in quotes, "a dog"\n'
    )
    assert segment(image, "dog", "cat", "--overwrite").err == ""


def test_every_form_can_be_saved(segment: Cris, image: Path, checkpoint: Path) -> None:
    options = ("--save", "cutout, mask,polygons,yolo", "--threshold", "0.4")
    assert segment(image, RED, LEFT, *options).code == 0
    predictions = [
        each.at_threshold(0.4)
        for each in Segmenter.from_pretrained(checkpoint, "cpu").predict(image, [RED, LEFT])
    ]
    content = record()
    assert content["threshold"] == 0.4
    results = content["pictures"][0]["results"]
    for result, prediction in zip(results, predictions, strict=True):
        assert result.keys() >= {"mask", "cutout", "polygons"}
        assert "overlay" not in result
        np.testing.assert_array_equal(np.array(Image.open(f"out/{result['mask']}")) > 0, prediction.mask)
        cutout = np.array(Image.open(f"out/{result['cutout']}"))
        np.testing.assert_array_equal(cutout[..., 3] > 0, prediction.mask)
        np.testing.assert_array_equal(cutout[prediction.mask][:, :3], prediction.image[prediction.mask])
        assert result["polygons"] == [each.ravel().tolist() for each in prediction.polygons()]
    assert Path("out/classes.txt").read_text() == f"{RED}\n{LEFT}\n"
    labels = Path("out/street.txt").read_text().splitlines()
    assert {line.split()[0] for line in labels} <= {"0", "1"}
    assert labels == to_yolo(predictions).splitlines()
    assert {path.name for path in Path("out").iterdir()} == {*content["files"], "results.json"}


def test_min_score_empties_what_is_saved(segment: Cris, image: Path) -> None:
    assert segment(image, RED, "--min-score", "1", "--save", "mask,cutout").code == 0
    (result,) = record()["pictures"][0]["results"]
    assert result["box"] is None
    assert not np.array(Image.open(f"out/{result['mask']}")).any()
    assert not np.array(Image.open(f"out/{result['cutout']}"))[..., 3].any()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--save", "mask,png"), "--save takes mask, overlay, cutout, polygons, yolo"),
        (("--threshold", "1.5"), "--threshold must be from 0 to 1, got 1.5"),
        (("--min-score", "-1"), "--min-score"),
    ],
)
def test_forms_and_shares_that_are_not_are_wrong_use(
    options: tuple[str, ...], told: str, segment: Cris, image: Path
) -> None:
    outcome = segment(image, RED, *options)
    assert outcome.is_short_error(2)
    assert told in outcome.err


def test_a_sentence_in_two_lines_is_one_class(segment: Cris, image: Path) -> None:
    assert segment(image, "the red\ndog", "\u2028left dog", "--save", "yolo").code == 0
    assert Path("out/classes.txt").read_text() == "the red dog\nleft dog\n"


def test_what_cannot_be_a_sentence_is_told(segment: Cris, image: Path) -> None:
    outcome = segment(image, "a\udcff\udcfeb", "--save", "yolo")
    assert outcome.is_short_error()
    assert "a sentence must be text in UTF-8" in outcome.err
    Path("other.mkv").touch()
    outcome = segment(image, "other.mkv", "man")
    assert outcome.is_short_error(2)
    assert "other.mkv is another video: name one at a time" in outcome.err
    assert not Path("out").exists()


def test_labels_of_images_that_are_named_alike_are_refused(segment: Cris, image: Path) -> None:
    folder = image.parent / "photos"
    folder.mkdir()
    for name in ("a.jpg", "A.png"):
        Image.open(image).save(folder / name)
    outcome = segment(folder, RED, "--save", "yolo")
    assert outcome.is_short_error()
    assert "two are alike" in outcome.err
    assert left_behind() == []


@pytest.fixture
def photos(image: Path) -> Path:
    """Images whose names are alike, and what is no image."""
    folder = image.parent / "photos"
    (folder / "deeper").mkdir(parents=True)
    for name in ("a b.jpg", "A-B.JPG", "a_b.png", ".hidden.jpg", "deeper/c.jpg"):
        Image.open(image).save(folder / name)
    (folder / "notes.txt").write_text("no image")
    return folder


def test_folder_gives_its_images_under_names_that_differ(segment: Cris, photos: Path) -> None:
    assert segment(photos, RED, "Red ring", "the RED ring").code == 0
    entries = record()["pictures"]
    assert [Path(entry["picture"]).name for entry in entries] == ["A-B.JPG", "a b.jpg", "a_b.png"]
    masks = [result["mask"] for entry in entries for result in entry["results"]]
    assert len({mask.lower() for mask in masks}) == 9
    assert all(Path("out", mask).exists() for mask in masks)
    assert masks[:4] == [
        *("a-b-the-red-ring.mask.png", "a-b-red-ring.mask.png", "a-b-the-red-ring-2.mask.png"),
        "a-b-the-red-ring-3.mask.png",
    ]


@pytest.mark.parametrize(
    ("pattern", "count"), [("photos/*.jpg", 1), ("photos/**/*.jpg", 2), ("photos/?*[bB].*", 3)]
)
def test_pattern_gives_what_fits_it(pattern: str, count: int, segment: Cris, photos: Path) -> None:
    assert segment(photos.parent / pattern, RED).code == 0
    assert len(record()["pictures"]) == count


def test_name_that_looks_like_a_pattern_is_a_name(segment: Cris, image: Path) -> None:
    assert segment(image.rename(image.with_name("street[1].jpg")), RED).code == 0


def test_pattern_that_the_shell_resolved_is_wrong_use(segment: Cris, photos: Path) -> None:
    outcome = segment(*sorted(photos.glob("*.*g")), RED)
    assert outcome.is_short_error(2)
    assert "put the pattern in quotes" in outcome.err


def test_images_of_the_folder_that_are_not_read_are_named(segment: Cris, photos: Path) -> None:
    (photos / "d.jxl").touch()
    outcome = segment(photos, "the red ring")
    assert outcome.code == 0
    assert "cris: warning: left out 1 of a kind that cris does not read: d.jxl; convert them\n" in outcome.err


def test_links_out_of_the_folder_are_left_out(segment: Cris, photos: Path, image: Path) -> None:
    (photos / "link.jpg").symlink_to(image)
    outcome = segment(photos, RED)
    assert outcome.code == 0
    assert outcome.err.startswith("cris: warning: ")
    assert "leads out of its folder" in outcome.err
    assert len(record()["pictures"]) == 3


def test_unreadable_image_among_others_is_left_out_and_told(segment: Cris, photos: Path) -> None:
    (photos / "bad.jpg").write_bytes(b"\xff\xd8\xff not an image")
    outcome = segment(photos, RED)
    assert outcome.code == 1
    assert outcome.err.startswith("cris: warning: left out: ")
    assert outcome.err.count("\n") == 1
    (failure,) = record()["failures"]
    assert failure["picture"] == str(photos / "bad.jpg")
    assert failure["error"] in outcome.err
    assert len(record()["pictures"]) == 3


def test_no_readable_image_at_all_writes_nothing(segment: Cris, photos: Path) -> None:
    for path in photos.glob("*.*"):
        path.write_bytes(b"")
    outcome = segment(photos, RED)
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1].startswith("cris: error: none of the 3 images")
    assert left_behind() == []


def test_same_job_again_is_fine_and_another_is_refused(segment: Cris, image: Path) -> None:
    assert segment(image, RED).code == 0
    assert segment(image, RED).code == 0
    refused = segment(image, LEFT)
    assert refused.is_short_error()
    assert "results of another job" in refused.err
    assert record()["pictures"][0]["results"][0]["sentence"] == RED
    assert segment(image, LEFT, "--overwrite").code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "results.json",
        "street-the-leftmost-star.mask.png",
        "street-the-leftmost-star.overlay.png",
    ]


def test_changed_image_is_another_job(segment: Cris, image: Path) -> None:
    assert segment(image, RED).code == 0
    Image.new("RGB", (9, 9)).save(image)
    assert segment(image, RED).is_short_error()


def test_too_long_sentence_is_cut_with_a_warning_or_refused(segment: Cris, image: Path) -> None:
    outcome = segment(image, LONG)
    assert outcome.code == 0
    assert outcome.err.startswith("cris: warning: the sentence ")
    assert "longer than the model's 16 tokens" in outcome.err
    assert outcome.err.count("\n") == 1
    shutil.rmtree("out")
    assert segment(image, LONG, "--strict").is_short_error()
    assert left_behind() == []


def gradient(mode: str, size: tuple[int, int] = (50, 30)) -> Image.Image:
    return Image.linear_gradient("L").resize(size).convert(mode)


def save_turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    gradient("RGB", (30, 50)).save(path, exif=exif)


def save_animated(path: Path) -> None:
    gradient("RGB").save(path, save_all=True, append_images=[gradient("L").rotate(180)])


ODD_IMAGES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "EXIF-turned": ("a.jpg", save_turned),
    "grayscale": ("a.png", gradient("L").save),
    "palette": ("a.png", gradient("P").save),
    "RGBA": ("a.png", gradient("RGBA").save),
    "16-bit": ("a.png", Image.fromarray(np.full((30, 50), 40_000, np.uint16)).save),
    "CMYK": ("a.jpg", gradient("CMYK").save),
    "animated": ("a.gif", save_animated),
    "non-ASCII path": ("café 図.webp", gradient("RGB").save),
}


@pytest.mark.parametrize(("name", "save"), ODD_IMAGES.values(), ids=ODD_IMAGES)
def test_odd_images_simply_work(
    name: str, save: Callable[[Path], object], segment: Cris, tmp_path: Path
) -> None:
    save(tmp_path / name)
    outcome = segment(tmp_path / name, "кот 图")
    assert (outcome.code, outcome.err) == (0, "")
    (entry,) = record()["pictures"]
    assert (entry["width"], entry["height"]) == (50, 30)
    assert Image.open(f"out/{entry['results'][0]['mask']}").size == (50, 30)


def test_single_pixel_is_a_image(segment: Cris, tmp_path: Path) -> None:
    gradient("RGB", (1, 1)).save(tmp_path / "dot.png")
    assert segment(tmp_path / "dot.png", RED).code == 0
    assert record()["pictures"][0]["results"][0]["rle"]["size"] == [1, 1]


def test_masks_of_a_large_image_come_a_few_at_a_time(
    checkpoint: Path, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cris.cli.segment._MASK_BYTES", 2 * 60 * 40)
    sentences = [f"star {number}" for number in range(5)]
    asked: list[int] = []
    encoded = Segmenter.from_pretrained(checkpoint, "cpu").encode(image)

    class Spy:
        image = encoded.image

        def predict(self, some: list[str]) -> object:
            asked.append(len(some))
            return encoded.predict(some)

    found = Command(image="", sentences=tuple(sentences))._predict(Spy())  # type: ignore[arg-type]
    assert [prediction.sentence for prediction in found] == sentences
    assert asked == [2, 2, 1]


def test_a_model_of_one_domain_says_so_once(
    cris: Cris, image: Path, checkpoint: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(checkpoint, model)
    (model / "README.md").write_text("---\ndomain: X-ray images\n---\n")
    shutil.copy(image, image.with_name("other.jpg"))
    outcome = cris("segment", "*.jpg", "the bone", "the tooth", "--model", model)
    assert outcome.code == 0
    assert (
        outcome.err == f"cris: warning: {model} knows X-ray images alone: on other images it is often wrong\n"
    )
