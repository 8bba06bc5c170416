"""A model that tells presence tells it in Python, on the command line, in bulk rows and over HTTP."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cris import Segmenter
from cris.checkpoint import save_checkpoint
from cris.model.config import InferenceConfig
from cris.model.tokenizer import Tokenizer
from tests.cli.conftest import Cris
from tests.fixtures.bulk import rows_of
from tests.fixtures.served import served
from tests.fixtures.small import SMALL_LITE, small_cris
from tests.fixtures.wordpieces import PIECES

SENTENCES = ["the red dog", "a man"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with a presence head, whose threshold is 0 yet."""
    folder = tmp_path_factory.mktemp("presence") / "model"
    tokenizer = Tokenizer.from_word_pieces(PIECES)
    config = replace(SMALL_LITE, text=replace(SMALL_LITE.text, vocabulary=tokenizer.vocab_size))
    inference = InferenceConfig(input_size=96, sentence_length=12, threshold=0.3)
    save_checkpoint(folder, small_cris(config), tokenizer, inference, "# presence\n")
    return folder


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photos" / "noise.png")
    return tmp_path / "photos" / "noise.png"


def test_presence_is_the_same_wherever_it_is_asked(cris: Cris, model: Path, photo: Path) -> None:
    segmenter = Segmenter.from_pretrained(model, "cpu")
    told = [each.present for each in segmenter.predict(photo, SENTENCES)]
    low, high = sorted(told)
    assert 0 < low < high < 1
    segmenter.inference = replace(segmenter.inference, presence_threshold=(low + high) / 2)
    emptied = [each.box is None for each in segmenter.predict(photo, SENTENCES)]
    assert emptied == [present == low for present in told]

    config = json.loads((model / "config.json").read_text())
    config["inference"]["presence_threshold"] = (low + high) / 2
    (model / "config.json").write_text(json.dumps(config))
    common = ("--model", model, "--device", "cpu")
    outcome = cris("segment", photo, *SENTENCES, *common, "--json")
    assert outcome.code == 0, outcome.err
    (entry,) = json.loads(outcome.out)["pictures"]
    Path("asked.txt").write_text("\n".join(SENTENCES) + "\n")
    outcome = cris("batch", "photos", "out", "--sentences", "asked.txt", *common, "--processes", "1")
    assert outcome.code == 0, outcome.err
    rows = {row["sentence"]: row for row in rows_of(Path("out"))}
    with served("--no-page", "--device", "cpu", model=str(model)) as running, running.client() as client:
        running.wait_until_ready(client)
        answer = running.segment(client, photo.read_bytes(), *SENTENCES).json()
    for found in (entry["results"], [rows[each] for each in SENTENCES], answer["results"]):
        assert [each["present"] for each in found] == pytest.approx(told, abs=1e-5)
        assert [each["box"] is None for each in found] == emptied
