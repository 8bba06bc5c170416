"""How long a run is, and which runs are the same."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cris.config_file import to_json
from cris.training.config import TrainConfig, check_same_run, fingerprint, read_config_file, resolved
from cris.training.recipes import cris_scenes, released

CONFIG = cris_scenes()


def test_epochs_become_steps_that_fit_in_them():
    config = resolved(replace(released("refcoco", "rn50"), max_steps=None), 42_404)
    assert config.steps == 50 * 42_404 // 64
    assert config.validation.every == 663


def test_stopping_early_leaves_the_length_and_going_beyond_it_lengthens():
    assert resolved(replace(CONFIG, max_steps=10), 100).length == 5600
    assert resolved(replace(CONFIG, max_steps=10), 100).last_step == 10
    assert resolved(replace(CONFIG, max_steps=6000), 100).length == 6000


def test_a_run_without_a_length_is_refused():
    with pytest.raises(ValueError, match="pass --steps N or --epochs N"):
        resolved(replace(CONFIG, steps=None), 100)


@pytest.mark.parametrize(
    "other",
    [
        replace(CONFIG, max_steps=7, device="cpu", processes=2, checkpoint_every=3, keep=0),
        replace(CONFIG, sampling=replace(CONFIG.sampling, workers=4)),
        replace(CONFIG, validation=replace(CONFIG.validation, every=1)),
    ],
    ids=["where and how long", "workers", "validation"],
)
def test_a_run_that_goes_on_elsewhere_is_the_same(other: TrainConfig):
    check_same_run(fingerprint(CONFIG), other, "out")
    assert fingerprint(other) == fingerprint(CONFIG)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (replace(CONFIG, seed=1), "its seed is 0, not 1:"),
        (replace(CONFIG, steps=9), "its steps is 5600, not 9:"),
        (
            replace(CONFIG, optimizer=replace(CONFIG.optimizer, learning_rate=1.0, weight_decay=0.5)),
            r"its optimizer.learning_rate is 0.001, not 1.0 \(1 more differ\)",
        ),
    ],
)
def test_another_run_is_refused_by_the_option_that_differs(other: TrainConfig, told: str):
    with pytest.raises(ValueError, match=told):
        check_same_run(fingerprint(CONFIG), other, "out")


def test_a_fingerprint_of_a_version_with_other_options_is_refused_by_name():
    stored = {**json.loads(fingerprint(CONFIG)), "gone": 1}
    with pytest.raises(ValueError, match="its gone is 1, not None"):
        check_same_run(json.dumps(stored), CONFIG, "out")


def test_a_run_from_before_layer_decay_and_shares_goes_on_without_them(tmp_path: Path):
    stored = json.loads(fingerprint(CONFIG))
    del stored["optimizer.layer_decay"], stored["sampling.no_target_share"]
    check_same_run(json.dumps(stored), CONFIG, "out")
    slower = replace(CONFIG, optimizer=replace(CONFIG.optimizer, layer_decay=0.8))
    with pytest.raises(ValueError, match=r"its optimizer\.layer_decay is 1\.0, not 0\.8"):
        check_same_run(json.dumps(stored), slower, "out")
    content = to_json(CONFIG)
    del content["optimizer"]["layer_decay"]
    del content["sampling"]["no_target_share"], content["sampling"]["several_targets_share"]
    (tmp_path / "config.json").write_text(json.dumps(content))
    assert read_config_file(tmp_path / "config.json") == CONFIG
