"""The photographs that come with the package, and the tool that chose them."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cris
from cris.demo.photographs import FOLDER, INDEX, photographs
from tools import demo_photographs

MAX_BYTES = 800_000


def test_there_are_a_dozen_of_moderate_size() -> None:
    assert len(photographs()) == 12
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= MAX_BYTES
    assert {path.name for path in FOLDER.iterdir()} == {
        *(each.path.name for each in photographs()),
        INDEX,
        "NOTICE.md",
    }


@pytest.mark.parametrize("photograph", photographs(), ids=lambda each: each.id)
def test_a_photograph_has_its_sentences_masks_and_credits(photograph) -> None:
    with Image.open(photograph.path) as image:
        assert (image.format, max(image.size)) == ("JPEG", 480)
        size = image.size[::-1]
    masks = [asked.mask for asked in photograph.asked]
    assert masks[0] is not None
    for mask in masks:
        assert mask is None or (mask.shape == size and 0.004 < mask.mean() < 0.9)
    assert photograph.licence in ("CC BY 2.0", "no known copyright restrictions")
    credits = (FOLDER / "NOTICE.md").read_text(encoding="utf-8")
    (line,) = (line for line in credits.splitlines() if photograph.path.name in line)
    assert all(part in line for part in (photograph.licence, photograph.source, photograph.page))


def test_some_are_asked_for_what_is_not_there() -> None:
    assert sum(asked.rle is None for each in photographs() for asked in each.asked) == 4


def test_sample_image_is_a_photograph_with_broccoli() -> None:
    path = cris.sample_image()
    assert isinstance(path, Path)
    (photograph,) = (each for each in photographs() if each.path == path)
    assert photograph.asked[0].sentence == "the broccoli"


def test_the_tool_chooses_them_anew(
    shared_real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ("--instances", str(shared_real / "instances.json"), "--images", str(shared_real / "images"))
    monkeypatch.setattr(sys, "argv", ["demo_photographs.py", *files, "--out", str(tmp_path)])
    demo_photographs.main()
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in FOLDER.iterdir()}
    for name in (INDEX, "NOTICE.md"):
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()
    licences = {
        image["id"]: image["license"]
        for image in json.loads((shared_real / "instances.json").read_text())["images"]
    }
    share_alike = 5
    for photograph in photographs():
        assert licences[photograph.id] != share_alike
        made, kept = (
            np.asarray(Image.open(folder / photograph.path.name)).astype(int) for folder in (tmp_path, FOLDER)
        )
        assert np.abs(made - kept).mean() < 1  # another version of a library may round otherwise
