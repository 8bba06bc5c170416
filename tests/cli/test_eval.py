import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from cris import Segmenter
from cris.checkpoint import load_checkpoint, save_checkpoint
from cris.data.scenes import Scenes
from cris.data.stored import StoredSplit
from cris.evaluation import run as evaluation_run
from cris.evaluation.metrics import METRICS
from cris.evaluation.row_files import read_rows
from cris.evaluation.rows import Row
from cris.masks import encode_rle
from tests.cli.conftest import Cris
from tests.fixtures.stored import an_object, mask_of, record, write

FIGURES = {"count", *(metric.name for metric in METRICS)}


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A data set of 40 images, 10 in val and 30 in train, each with two dogs, a cat and four sentences."""
    write(tmp_path / "data", [record(number, "val" if number % 4 == 3 else "train") for number in range(40)])
    return tmp_path / "data"


def test_json_is_one_object_with_the_figures(cris: Cris, checkpoint: Path) -> None:
    outcome = cris("eval", checkpoint, "scenes", "--split", "val", "--limit", "9", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    figures = json.loads(outcome.out)
    kinds = figures["kinds"]
    assert figures.keys() == FIGURES | {"intervals", "failures", "kinds", "breakdowns"}
    assert figures["count"] == sum(kind["count"] for kind in kinds.values()) == 9
    assert all(kind.keys() == FIGURES | {"intervals", "failures"} for kind in kinds.values())
    low, high = figures["intervals"]["mean_iou"]
    assert low <= figures["mean_iou"] <= high

    segmenter = Segmenter.from_pretrained(checkpoint, "cpu")
    ious = []
    for sample in itertools.islice(Scenes("val"), 9):
        mask = segmenter.predict(sample.image, sample.sentence).mask
        ious.append((mask & sample.mask).sum() / (mask | sample.mask).sum())
    assert figures["mean_iou"] == pytest.approx(np.mean(ious), abs=1e-3)


def test_table_shows_kinds_and_all_and_why_it_fails(cris: Cris, checkpoint: Path) -> None:
    outcome = cris("eval", checkpoint, "scenes", "--limit", "5")
    assert outcome.code == 0
    kinds = {sample.kind for sample in itertools.islice(Scenes("test"), 5)}
    assert all(f"│ {row} " in outcome.out for row in (*kinds, "all"))
    assert "95 % interval" in outcome.out
    assert "misses" in outcome.out


def assert_same(one: str, other: str) -> None:
    """Whether two folders hold the same results, but for when they were computed."""
    assert Path(one, "rows.parquet").read_bytes() == Path(other, "rows.parquet").read_bytes()
    first, second = (json.loads(Path(out, "_results.json").read_text()) for out in (one, other))
    for content in (first, second):
        assert content["environment"].pop("date").startswith("20")
    assert first == second


def test_a_folder_of_results_opens_as_one_of_parquet_and_says_what_it_was_computed_with(
    cris: Cris, checkpoint: Path
) -> None:
    cris("eval", checkpoint, "scenes", "--limit", "3", "--out", "out")
    assert len(pd.read_parquet("out")) == 3
    known = json.loads(Path("out/_results.json").read_text())["environment"]
    assert known.keys() == {"date", "cris", "commit", "python", "platform", "torch", "cuda", "device"}
    assert known["device"] == "cpu"


def test_a_run_is_a_model_its_best_checkpoint(cris: Cris, checkpoint: Path, tmp_path: Path) -> None:
    shutil.copytree(checkpoint, tmp_path / "mine/checkpoints/best")
    shutil.copytree(checkpoint, tmp_path / "mine/checkpoints/last")
    (tmp_path / "mine/checkpoints/last/model.safetensors").write_bytes(b"damaged")
    expected = cris("eval", checkpoint, "scenes", "--limit", "3", "--json").out
    assert cris("eval", "mine", "scenes", "--limit", "3", "--json").out == expected
    assert cris("eval", "mine", "scenes", "--limit", "3", "--out", "out").code == 0
    assert cris("table", "out").out.splitlines()[2].startswith("| mine |")
    assert cris("eval", "mine", "scenes", "--limit", "3", "--choose-threshold").code == 0
    Image.new("RGB", (40, 30)).save("a.png")
    assert cris("segment", "a.png", "the red ring", "--model", "mine").code == 0
    Path("asked.txt").write_text("the red ring")
    Path("photos").mkdir()
    shutil.copy("a.png", "photos")
    assert cris("batch", "photos", "answers", "--sentences", "asked.txt", "--model", "mine").code == 0


def test_rows_are_kept_where_asked(cris: Cris, checkpoint: Path) -> None:
    cris("eval", checkpoint, "scenes", "--limit", "6", "--out", "out")
    assert sorted(path.name for path in Path("out").iterdir()) == ["_results.json", "rows.parquet"]
    record = json.loads(Path("out/_results.json").read_text(encoding="utf-8"))
    rows = read_rows(Path("out"))
    assert [row.picture for row in rows] == [f"test/{index}" for index in range(6)]
    assert [row.sentence for row in rows] == [one.sentence for one in itertools.islice(Scenes("test"), 6)]
    assert record["mean_iou"] == pytest.approx(np.mean([row.iou for row in rows]))
    assert (record["job"], record["data"], record["split"], record["count"]) == ("eval", "scenes", "test", 6)


def test_every_sentence_of_a_stored_split_is_measured(cris: Cris, checkpoint: Path, stored: Path) -> None:
    assert cris("eval", checkpoint, stored, "--split", "val", "--out", "out").code == 0
    rows, dataset = read_rows(Path("out")), StoredSplit(stored, "val")
    segmenter = Segmenter.from_pretrained(checkpoint, "cpu")
    assert len(rows) == len(dataset) == 40
    for place, row in enumerate(rows):
        sample = dataset[place]
        assert (row.sample, row.sentence) == (place, sample.sentence)
        assert (row.picture_id, row.ref_id) == (sample.picture_id, sample.ref_id)
        found = segmenter.predict(sample.image, sample.sentence).mask
        # a value at the threshold may fall to either side when batches differ
        assert row.predicted_area == pytest.approx(found.sum(), abs=5)
        assert row.true_area == sample.mask.sum()
    assert {row.kind for row in rows} == {"spatial", "attribute", "plain"}
    assert [row.category for row in rows[:4]] == ["dog", "dog", None, "dog"]
    assert [row.distractors for row in rows[:4]] == [1, 1, 0, 0]
    assert [row.is_no_target for row in rows[:4]] == [False, False, True, False]


def test_a_limit_takes_the_first_sentences(cris: Cris, checkpoint: Path, stored: Path) -> None:
    assert cris("eval", checkpoint, stored, "--split", "train", "--limit", "6", "--out", "out").code == 0
    assert [row.sample for row in read_rows(Path("out"))] == [*range(6)]
    assert json.loads(Path("out/_results.json").read_text())["limit"] == 6


def test_a_limit_beyond_the_split_is_none(cris: Cris, checkpoint: Path, stored: Path) -> None:
    assert cris("eval", checkpoint, stored, "--split", "val", "--limit", "900", "--out", "out").code == 0
    assert json.loads(Path("out/_results.json").read_text())["limit"] is None


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation_run, "PART_IMAGES", 4)


def stop_after(parts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets an evaluation do a few parts."""
    measure, left = evaluation_run.EvaluationRun.rows, iter(range(parts))

    def rows(self: evaluation_run.EvaluationRun, segmenter: Segmenter, part: int) -> list[Row]:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return measure(self, segmenter, part)

    monkeypatch.setattr(evaluation_run.EvaluationRun, "rows", rows)


def test_an_interrupted_run_goes_on_where_it_was(
    cris: Cris, checkpoint: Path, stored: Path, small_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = ("eval", checkpoint, stored, "--split", "train", "--processes", "1", "--out")
    assert cris(*evaluate, "whole").code == 0
    with monkeypatch.context() as patch:
        stop_after(3, patch)
        outcome = cris(*evaluate, "out")
    assert outcome.code == 130
    assert "out keeps what was measured: pass --resume to go on" in outcome.err
    assert not Path("out/_results.json").exists()

    outcome = cris(*evaluate, "out")
    assert outcome.is_short_error()
    assert "out holds an interrupted evaluation: pass --resume" in outcome.err
    outcome = cris("eval", checkpoint, stored, "--split", "val", "--out", "out", "--resume")
    assert outcome.is_short_error()
    assert "interrupted evaluation of another data set, split or limit" in outcome.err

    with monkeypatch.context() as patch:
        stop_after(5, patch)  # eight parts less the three that are there
        assert cris(*evaluate, "out", "--resume").code == 0
    assert_same("out", "whole")
    assert sorted(path.name for path in Path("out").iterdir()) == ["_results.json", "rows.parquet"]


def test_a_run_stopped_before_its_first_part_leaves_nothing(
    cris: Cris, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_after(0, monkeypatch)
    outcome = cris("eval", checkpoint, "scenes", "--limit", "3", "--out", "out")
    assert (outcome.code, outcome.err) == (130, "cris: interrupted\n")
    assert not Path("out").exists()


def test_resuming_what_is_finished_measures_nothing(
    cris: Cris, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = ("eval", checkpoint, "scenes", "--limit", "3", "--out", "out", "--json")
    first = cris(*evaluate)
    stop_after(0, monkeypatch)
    assert cris(*evaluate, "--resume") == first


def test_two_processes_give_the_results_of_one(
    cris: Cris, checkpoint: Path, stored: Path, small_parts: None
) -> None:
    evaluate = ("eval", checkpoint, stored, "--split", "train", "--limit", "30", "--out")
    assert cris(*evaluate, "one", "--processes", "1").code == 0
    outcome = cris(*evaluate, "two", "--processes", "2")
    assert (outcome.code, outcome.err) == (0, "")
    assert_same("one", "two")


def test_results_of_another_model_or_version_stay(
    cris: Cris, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = ("scenes", "--limit", "2", "--out", "out")
    assert cris("eval", checkpoint, *evaluate).code == 0
    assert cris("eval", checkpoint, *evaluate).code == 0
    kept = Path("out/_results.json").read_bytes()

    other = shutil.copytree(checkpoint, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    config["inference"]["threshold"] = 0.4
    (other / "config.json").write_text(json.dumps(config))
    outcome = cris("eval", other, *evaluate)
    assert outcome.is_short_error()
    assert "out holds results of another model and threshold" in outcome.err
    outcome = cris("eval", checkpoint, "scenes", "--limit", "3", "--out", "out")
    assert outcome.is_short_error()
    assert "out holds results of another data set, split or limit" in outcome.err
    with monkeypatch.context() as patch:
        patch.setattr("cris.evaluation.saved.__version__", "99.0")
        outcome = cris("eval", checkpoint, *evaluate)
    assert outcome.is_short_error()
    assert "out holds results of another version of cris" in outcome.err
    assert Path("out/_results.json").read_bytes() == kept
    assert cris("eval", other, *evaluate, "--overwrite").code == 0


@pytest.fixture
def released(checkpoint: Path, tmp_path: Path) -> Path:
    """The tiny model as a checkpoint for the released protocol, with a threshold of its own."""
    loaded = load_checkpoint(checkpoint)
    inference = replace(loaded.inference, protocol="released", threshold=0.6)
    save_checkpoint(tmp_path / "released", loaded.model, loaded.tokenizer, inference, "# released\n")
    return tmp_path / "released"


def test_the_released_protocol_takes_the_released_threshold(cris: Cris, released: Path) -> None:
    evaluate = ("eval", released, "scenes", "--limit", "2")
    assert cris(*evaluate, "--out", "own").code == 0
    assert cris(*evaluate, "--out", "released-out", "--protocol", "released").code == 0
    thresholds = [
        json.loads(Path(out, "_results.json").read_text())["threshold"] for out in ("own", "released-out")
    ]
    assert thresholds == [0.6, 0.35]
    segmenter = Segmenter.from_pretrained(released, "cpu")
    for row, sample in zip(read_rows(Path("released-out")), Scenes("test"), strict=False):
        prediction = segmenter.predict(sample.image, sample.sentence)
        found = prediction.letterbox.restore(prediction.grid) > 0.35
        assert row.predicted_area == pytest.approx(found.sum(), abs=20)


def test_a_threshold_is_taken_in_place_of_the_models(cris: Cris, checkpoint: Path) -> None:
    assert cris("eval", checkpoint, "scenes", "--limit", "2", "--threshold", "0.1", "--out", "low").code == 0
    assert json.loads(Path("low/_results.json").read_text())["threshold"] == 0.1
    segmenter = Segmenter.from_pretrained(checkpoint, "cpu")
    for row, sample in zip(read_rows(Path("low")), Scenes("test"), strict=False):
        prediction = segmenter.predict(sample.image, sample.sentence).at_threshold(0.1)
        assert row.predicted_area == pytest.approx(prediction.area, abs=20)


def test_a_checkpoint_for_another_protocol_is_refused(cris: Cris, checkpoint: Path, released: Path) -> None:
    for model, protocol in ((checkpoint, "released"), (released, "default")):
        outcome = cris("eval", model, "scenes", "--limit", "1", "--protocol", protocol)
        assert outcome.is_short_error()
        assert f"protocol, not for {protocol}" in outcome.err


def test_a_chosen_threshold_is_the_best_on_val_and_is_stored(
    cris: Cris, checkpoint: Path, tmp_path: Path
) -> None:
    model = shutil.copytree(checkpoint, tmp_path / "model")
    evaluate = ("eval", model, "scenes", "--limit", "12")
    outcome = cris(*evaluate, "--choose-threshold")
    assert outcome.code == 0
    chosen = load_checkpoint(model).inference.threshold
    assert f"threshold {chosen:.2f}: mean IoU" in outcome.out
    means = {}
    for threshold in (chosen, 0.2, 0.5, 0.7):
        copy = shutil.copytree(model, tmp_path / f"at-{threshold}", dirs_exist_ok=True)
        content = json.loads((copy / "config.json").read_text())
        content["inference"]["threshold"] = threshold
        (copy / "config.json").write_text(json.dumps(content))
        found = cris("eval", copy, "scenes", "--split", "val", "--limit", "12", "--json")
        means[threshold] = json.loads(found.out)["mean_iou"]
    assert max(means.values()) == pytest.approx(means[chosen], abs=1e-4)
    assert sorted(path.name for path in model.iterdir()) == sorted(path.name for path in checkpoint.iterdir())


def broken(change: str) -> Iterator[Any]:
    image = record(0, "test")
    first, *others = image.objects
    if change == "empty mask":
        first = replace(first, rle=encode_rle(np.zeros((48, 64), dtype=bool)))
    elif change == "damaged mask":
        first = replace(first, rle={"size": [48, 64], "counts": "0"})
    elif change == "another size":
        first = replace(first, rle=encode_rle(np.ones((9, 9), dtype=bool)))
    yield replace(image, objects=(first, *others))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("empty mask", "means an object without a mask, so it cannot be measured; cris data check"),
        ("damaged mask", "runs must add up to height × width"),
        ("another size", "must have the image's 48×64 pixels, got 9×9"),
    ],
)
@pytest.mark.parametrize("processes", ["1", "2"])
def test_data_without_masks_is_one_line(
    change: str,
    told: str,
    processes: str,
    cris: Cris,
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cris.data.store.writing.Validator.check", lambda self, record: None)
    write(tmp_path / "data", list(broken(change)))
    outcome = cris("eval", checkpoint, "data", "--out", "out", "--processes", processes)
    assert outcome.is_short_error()
    assert "image street-0.png" in outcome.err
    assert told in outcome.err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("some-folder",), "some-folder is no data set: it has no manifest.json"),
        (("scenes", "--split", "testA"), "split must be one of"),
        (("data", "--split", "testA"), "split must be one of train, val in data, got 'testA'"),
        (("scenes", "--limit", "0"), "limit must be at least 1"),
        (("data", "--split", "val", "--limit", "0"), "limit must be at least 1"),
        (("scenes", "--device", "toaster"), "device must be"),
        (("scenes", "--processes", "0"), "processes must be at least 1"),
        (("scenes", "--out", "/proc/nowhere"), "/proc/nowhere"),
        (("scenes", "--out", "file"), "--out must name a folder, file is a file"),
    ],
)
def test_bad_arguments_are_one_line(
    arguments: tuple[str, ...], told: str, cris: Cris, checkpoint: Path, stored: Path
) -> None:
    Path("file").touch()
    outcome = cris("eval", checkpoint, *arguments, *(() if "--limit" in arguments else ("--limit", "1")))
    assert outcome.is_short_error()
    assert told in outcome.err
    assert outcome.out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("cris-scenes", "scenes", "--choose-threshold"),
        ("MODEL", "scenes", "--choose-threshold", "--protocol", "released"),
        ("MODEL", "scenes", "--choose-threshold", "--threshold", "0.4"),
        ("MODEL", "scenes", "--threshold", "0.4", "--protocol", "released"),
        ("MODEL", "scenes", "--threshold", "1.4"),
    ],
)
def test_thresholds_that_cannot_be_chosen_are_wrong_use(
    arguments: tuple[str, ...], cris: Cris, released: Path
) -> None:
    named = (str(released) if one == "MODEL" else one for one in arguments)
    assert cris("eval", *named).is_short_error(code=2)


def test_unknown_model_is_one_line(cris: Cris) -> None:
    outcome = cris("eval", "cris-scene", "scenes")
    assert outcome.is_short_error()
    assert "did you mean cris-scenes?" in outcome.err


def test_a_folder_without_a_model_is_one_line(cris: Cris, tmp_path: Path) -> None:
    outcome = cris("eval", tmp_path, "scenes")
    assert outcome.is_short_error()
    assert "is no checkpoint folder: it has no config.json" in outcome.err


def test_rows_need_pyarrow_and_say_so(cris: Cris, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [
        name
        for name in sys.modules
        if name.startswith(("cris.evaluation.row_files", "cris.evaluation.saved"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    outcome = cris("eval", checkpoint, "scenes", "--limit", "1", "--out", "out")
    assert outcome.is_short_error()
    assert "needs pyarrow, which is not installed: pip install 'cris[" in outcome.err


def test_rows_are_what_other_tools_read(cris: Cris, checkpoint: Path, stored: Path) -> None:
    assert cris("eval", checkpoint, stored, "--split", "val", "--out", "out").code == 0
    table = pq.read_table("out/rows.parquet")
    assert table.num_rows == 40
    assert table.column("rle").to_pylist()[0]["size"] == [48, 64]
    assert mask_of(2, 3, 10, 20).sum() == table.column("true_area").to_pylist()[0]
    assert an_object(0, (2, 3, 10, 20)).area == table.column("true_area").to_pylist()[0]


@pytest.mark.usefixtures("forked_programs")
def test_scenes_are_measured_without_pyarrow() -> None:
    """The base install and the demo's have none."""
    code = (
        "import sys; sys.modules['pyarrow'] = None; from cris.cli import main; "
        "sys.exit(main(['eval', 'cris-scenes', 'scenes', '--limit', '2', '--processes', '1', '--json']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
