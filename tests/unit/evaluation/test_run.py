import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cris.checkpoint import save_checkpoint
from cris.data.dataset import AnnotatedImage
from cris.data.open import open_dataset
from cris.data.rendered import SceneDataset
from cris.data.scenes import Scenes
from cris.data.subset import first
from cris.evaluation import run as evaluation_run
from cris.evaluation.parts import FOLDER, Parts
from cris.evaluation.run import EvaluationRun, run_parts
from cris.model.config import InferenceConfig
from cris.training.recipes import scenes_tokenizer
from tests.fixtures.rows import a_row
from tests.fixtures.small import SMALL, small_cris


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> EvaluationRun:
    tokenizer = scenes_tokenizer()
    model = small_cris(replace(SMALL, text=replace(SMALL.text, vocabulary=tokenizer.vocab_size)))
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_checkpoint(folder, model, tokenizer, InferenceConfig(input_size=64, sentence_length=24), "# tiny\n")
    return EvaluationRun(checkpoint=folder, dataset=open_dataset("scenes", "val", 20), device="cpu")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation_run, "PART_IMAGES", 8)


def test_parts_cover_every_image_once_whatever_their_order(run: EvaluationRun) -> None:
    found = dict(run_parts(run, [2, 0, 1], processes=1))
    assert [*found] == [2, 0, 1]
    assert [row.sample for part in sorted(found) for row in found[part]] == [*range(20)]


def test_rows_do_not_depend_on_what_was_measured_before(run: EvaluationRun) -> None:
    (alone,) = run_parts(run, [1], processes=1)
    together = dict(run_parts(run, [0, 1, 2], processes=1))
    assert together[1] == alone[1]


def test_a_threshold_takes_the_place_of_the_checkpoints(run: EvaluationRun) -> None:
    ((_, low),) = run_parts(replace(run, threshold=0.2), [0], processes=1)
    ((_, high),) = run_parts(replace(run, threshold=0.6), [0], processes=1)
    assert all(a.predicted_area >= b.predicted_area for a, b in zip(low, high, strict=True))
    assert sum(row.predicted_area for row in low) > sum(row.predicted_area for row in high)


def test_threads_are_as_they_were_afterwards(run: EvaluationRun) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for _ in run_parts(run, [0], processes=1):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_nothing_to_do_loads_nothing(run: EvaluationRun) -> None:
    assert list(run_parts(replace(run, checkpoint=Path("nowhere")), [], processes=1)) == []


class Deadly(SceneDataset):
    """Kills the process that asks for an image."""

    def image(self, number: int) -> AnnotatedImage:
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)
        raise AssertionError


def test_a_process_that_the_system_ends_is_told(run: EvaluationRun) -> None:
    deadly = replace(run, dataset=first(Deadly(Scenes("val")), 20))
    with pytest.raises(ChildProcessError, match="pass fewer --processes"):
        list(run_parts(deadly, [0, 1, 2], processes=2))


def test_a_damaged_model_is_told_by_other_processes_too(run: EvaluationRun, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for processes in (1, 2):
        with pytest.raises(ValueError, match=r"has no config\.json"):
            list(run_parts(replace(run, checkpoint=tmp_path / "model"), [0, 1], processes))


def test_parts_are_kept_whole_under_their_job(tmp_path: Path) -> None:
    parts = Parts(tmp_path, {"model": "a"})
    assert (parts.earlier(), parts.done()) == (None, set())
    parts.save(3, [a_row(5)])
    assert (parts.earlier(), parts.done()) == ({"model": "a"}, {3})
    assert parts.read(3) == [a_row(5)]
    assert Parts(tmp_path, {"model": "b"}).earlier() == {"model": "a"}
    (tmp_path / FOLDER / ".123-4.parquet").touch()  # of a process that was killed
    assert parts.done() == {3}
    parts.remove()
    assert not [*tmp_path.iterdir()]
