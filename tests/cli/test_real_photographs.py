"""Real photographs go through the command line."""

import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from cris.masks import decode_rle
from tests.cli.conftest import Cris
from tests.fixtures.plugin import Proof

SENTENCES = ["the man in red", "left dog"]


def test_real_photographs_get_masks_at_their_own_size(
    cris: Cris, checkpoint: Path, shared_real: Path, tmp_path: Path, prove: Proof
) -> None:
    photographs = sorted((shared_real / "images").glob("*.jpg"))[: prove.count(full=1000, quick=6)]
    folder = tmp_path / "photographs"
    folder.mkdir()
    for path in photographs:
        shutil.copy(path, folder)
    outcome = cris("segment", folder, *SENTENCES, "--model", checkpoint, "--out", "out")
    assert (outcome.code, outcome.err) == (0, "")
    entries = json.loads(Path("out/results.json").read_text(encoding="utf-8"))["pictures"]
    assert [Path(entry["picture"]).name for entry in entries] == [path.name for path in photographs]
    for entry in entries:
        size = Image.open(entry["picture"]).size
        assert (entry["width"], entry["height"]) == size
        for result in entry["results"]:
            mask = Image.open(Path("out") / result["mask"])
            assert mask.size == Image.open(Path("out") / result["overlay"]).size == size
            np.testing.assert_array_equal(np.array(mask) > 0, decode_rle(result["rle"]))
    prove.figure("real photographs through cris segment", len(entries))
