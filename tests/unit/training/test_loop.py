"""The schedule, what decays, the moving average, and which runs may go on."""

from dataclasses import replace

import pytest
import torch

from cris.training.config import fingerprint
from cris.training.loop import begin_with, learning_rate, parameter_groups, update_average
from cris.training.recipes import cris_scenes
from tests.small import small_cris

CONFIG = replace(cris_scenes(), learning_rate=1.0, warmup_steps=10, max_steps=100, decay_share=0.4)


@pytest.mark.parametrize(
    ("step", "rate"), [(0, 0.1), (4, 0.5), (9, 1.0), (60, 1.0), (80, 0.5), (100, 0.0), (200, 0.0)]
)
def test_learning_rate_rises_stays_and_falls_to_nothing(step, rate):
    assert learning_rate(CONFIG, step) == pytest.approx(rate, abs=1e-9)


def test_weights_decay_and_vectors_do_not():
    model = small_cris()
    decaying, rest = parameter_groups(model, weight_decay=0.1)
    assert decaying["weight_decay"] == 0.1
    assert rest["weight_decay"] == 0.0
    assert {p.ndim for p in rest["params"]} == {1}
    assert len(decaying["params"]) + len(rest["params"]) == len(list(model.parameters()))


def test_average_moves_a_share_of_the_way_and_counters_follow():
    average, model = small_cris(seed=0), small_cris(seed=1)
    before = average.state_dict()["neck.sentence.weight"].clone()
    model.neck.sentence_norm.num_batches_tracked.fill_(7)
    update_average(average, model, decay=0.75)
    expected = 0.75 * before + 0.25 * model.neck.sentence.weight
    torch.testing.assert_close(average.neck.sentence.weight, expected)
    assert int(average.neck.sentence_norm.num_batches_tracked) == 7


def test_a_longer_run_is_the_same_run_and_another_seed_is_not():
    assert fingerprint(CONFIG) == fingerprint(replace(CONFIG, max_steps=7, device="cpu"))
    assert fingerprint(CONFIG) != fingerprint(replace(CONFIG, seed=1))


def test_a_model_of_other_sizes_is_refused_as_a_beginning():
    other = small_cris(replace(small_cris().config, padding="zero_id"))
    with pytest.raises(ValueError, match="must have the recipe's sizes"):
        begin_with(small_cris(), other)
