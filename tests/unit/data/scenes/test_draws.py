import numpy as np
import pytest

from cris.data.scenes.draws import Draws, noise_bytes


def test_streams_are_pinned():
    draws = Draws(1, "test", 0, 7)
    told = [round(draws.between(0.0, 1.0), 12) for _ in range(3)]
    assert told == PINNED_DRAWS
    assert noise_bytes(8, 1, "test").tolist() == PINNED_NOISE


PINNED_DRAWS = [0.795965643081, 0.502534602414, 0.942302769137]
PINNED_NOISE = [172, 193, 110, 135, 233, 193, 52, 113]


def test_another_key_gives_another_stream():
    keys = [(1, "test", 0, 7), (1, "test", 0, 8), (1, "test", 1, 7), (1, "val", 0, 7), (2, "test", 0, 7)]
    assert len({Draws(*key).between(0.0, 1.0) for key in keys}) == len(keys)
    assert len({noise_bytes(16, *key).tobytes() for key in keys}) == len(keys)


def test_noise_is_spread_evenly():
    noise = noise_bytes(100_000, "even")
    assert noise.dtype == np.uint8
    assert noise.mean() == pytest.approx(127.5, abs=1)
    assert noise.std() == pytest.approx(73.9, abs=1)


def test_weights_say_how_often_an_option_is_drawn():
    draws = Draws("weights")
    drawn = [draws.weighted("abc", (6, 3, 1)) for _ in range(5_000)]
    assert [drawn.count(option) / 5_000 for option in "abc"] == pytest.approx([0.6, 0.3, 0.1], abs=0.03)


def test_an_option_without_weight_is_never_drawn():
    draws = Draws("none")
    assert {draws.weighted("ab", (0, 1)) for _ in range(500)} == {"b"}


def test_shuffling_keeps_all_options_and_their_list():
    options = list(range(10))
    shuffled = Draws("shuffle").shuffled(options)
    assert sorted(shuffled) == options == list(range(10))
    assert shuffled != options
