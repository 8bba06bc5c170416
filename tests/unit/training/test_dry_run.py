"""What a dry run says of memory, against what is measured when the whole batch is taken."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from cris.training.dry_run import Estimate, dry_run, stand_in_batch
from cris.training.recipes import RECIPES

TINY = replace(RECIPES["scenes-tiny-fixed"](), device="cpu")
WHOLE_STEPS = """
import json, sys
from dataclasses import replace
from cris.process_memory import peak_bytes
from cris.training.dry_run import stand_in_batch
from cris.training.processes import launch
from cris.training.recipes import RECIPES
from cris.training.trainer import Trainer
from cris.model.build import build_cris
import torch
torch.set_num_threads(1)
images = int(sys.argv[1])
config = RECIPES["cris-scenes"]()
sampling = replace(config.sampling, pictures=images, sentences=2)
inference = replace(config.inference, input_size=224)
config = replace(config, device="cpu", steps=2, sampling=sampling, inference=inference)
if sys.argv[2] == "dry":
    import cris.training.dry_run as dry
    dry._CPU_GB = 1.0
    found = dry.dry_run(config, [])
    print(json.dumps({"memory": found.memory, "measured": found.measured}))
else:
    trainer = Trainer(config, build_cris(config.model), launch(config))
    for _ in range(2):
        trainer.training_step([stand_in_batch(config, images)])
    print(json.dumps({"memory": peak_bytes() / 1e9}))
"""


def run_alone(*arguments: str) -> dict[str, float]:
    """What a process of its own prints, as memory of one that has done other things is of no use."""
    done = subprocess.run(
        [sys.executable, "-c", WHOLE_STEPS, *arguments], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.mark.usefixtures("forked_programs")
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak as Linux counts it")
def test_memory_told_from_few_images_is_what_the_whole_batch_takes(prove) -> None:
    images = prove.count(full=64, quick=12)
    told, taken = run_alone(str(images), "dry"), run_alone(str(images), "whole")
    assert told["measured"] < images
    error = told["memory"] / taken["memory"] - 1
    prove.figure(
        f"memory of {images} images a step, told from {told['measured']} of them",
        f"{told['memory']:.2f} GB, {taken['memory']:.2f} GB measured ({100 * error:+.0f} %)",
    )
    assert abs(error) < 0.15


def test_a_small_batch_is_measured_whole() -> None:
    few = replace(TINY, sampling=replace(TINY.sampling, pictures=2))
    found = dry_run(few, [])
    assert (found.measured, found.pictures, found.steps) == (2, 2, TINY.steps)
    assert found.seconds > 0
    assert 0 < found.memory < found.available


def test_data_is_read_where_it_is_named() -> None:
    few = replace(TINY, steps=None, epochs=2.0, sampling=replace(TINY.sampling, pictures=4))
    found = dry_run(few, ["scenes"])
    assert found.steps is not None
    assert found.steps > 0


def estimate(**changes: object) -> Estimate:
    known = {
        "steps": 3600,
        "seconds": 2.0,
        "static": 2.0,
        "each": 0.5,
        "gradients": 1.0,
        "available": 20.0,
        "pictures": 64,
        "measured": 2,
        "is_accumulating": False,
        "is_compiled": False,
        "is_bf16": False,
        "is_first": True,
    }
    return Estimate(**known | changes)  # type: ignore[arg-type]


def test_an_estimate_adds_up_and_says_how_it_came_about() -> None:
    found = estimate()
    assert (found.memory, found.hours, found.fitting) == (34.0, 2.0, 32)
    assert str(found) == (
        "2.00 s a step (from 2 at a time); 3,600 steps take about 2.0 hours, validation apart\n"
        "34.0 GB of 20.0 GB with 64 images at a time in each process; about 32 fit"
    )
    assert "without --compile, which is faster" in str(estimate(is_compiled=True))
    assert "in bf16: a CPU is far slower in fp16" in str(estimate(is_bf16=True))


def test_gradients_take_the_place_of_features_or_stand_beside_them() -> None:
    assert estimate(pictures=1).memory == 3.0
    assert estimate(pictures=1, is_accumulating=True).memory == 3.5


def test_what_does_not_fit_is_refused_with_the_parts_that_would() -> None:
    config = replace(TINY, sampling=replace(TINY.sampling, pictures=64))
    estimate(pictures=16).check(config)
    with pytest.raises(MemoryError, match=r"about 34 GB are needed .* 20 GB are there.*--accumulation 4 "):
        estimate().check(config)  # two parts of 32 would need 19 GB of the 18 that are usable
    with pytest.raises(MemoryError) as told:
        estimate(static=30.0).check(config)
    assert "--accumulation" not in str(told.value)


@pytest.mark.parametrize("recipe", ["refcoco-rn50-modern", "cris-photos", "scenes-tiny-fixed"])
def test_stand_ins_have_the_sizes_of_the_configuration(recipe: str) -> None:
    config = RECIPES[recipe]()
    batch = stand_in_batch(config, 3)
    size, count = config.inference.input_size, 3 * config.sampling.sentences
    assert batch.images.shape == (3, 3, size, size)
    assert batch.tokens.shape == (count, config.inference.sentence_length)
    assert (batch.tokens.max(dim=1).values == config.model.text.vocabulary - 1).all()
    assert batch.masks.shape == (count, 1, size // 4, size // 4)
    assert torch.equal(batch.image_index.unique(), torch.arange(3))
