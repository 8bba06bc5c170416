"""The guided filter against its plain formula, window by window."""

import numpy as np
import pytest

from cris.guided_filter import EPSILON, GuidedFilter


def windows(row: int, column: int, radius: int, shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Cells of a window; beyond the border it is mirrored, the border's cells twice."""

    def mirrored(place: int, length: int) -> int:
        period = place % (2 * length)
        return min(period, 2 * length - 1 - period)

    reach = range(-radius, radius + 1)
    return [(mirrored(row + y, shape[0]), mirrored(column + x, shape[1])) for y in reach for x in reach]


def plainly(guide: np.ndarray, values: np.ndarray, radius: int) -> np.ndarray:
    """Filter as He et al. write it (TPAMI 2013, equations 14 to 17), in float64."""
    colours = guide / 255.0
    shape = values.shape
    lines = np.zeros((*shape, 4))
    for row, column in np.ndindex(shape):
        places = windows(row, column, radius, shape)
        inside = np.array([colours[place] for place in places])
        target = np.array([values[place] for place in places])
        covariance = np.cov(inside.T, bias=True) + EPSILON * np.eye(3)
        together = (inside * target[:, None]).mean(0) - inside.mean(0) * target.mean()
        slope = np.linalg.solve(covariance, together)
        lines[row, column] = [*slope, target.mean() - slope @ inside.mean(0)]
    found = np.zeros(shape)
    for row, column in np.ndindex(shape):
        mean = np.mean([lines[place] for place in windows(row, column, radius, shape)], axis=0)
        found[row, column] = mean[:3] @ colours[row, column] + mean[3]
    return found.clip(0, 1)


@pytest.mark.parametrize(("shape", "radius"), [((9, 12), 1), ((9, 12), 3), ((2, 5), 3), ((1, 1), 2)])
def test_it_is_the_plain_formula(shape, radius) -> None:
    random = np.random.default_rng(7)
    guide = random.integers(0, 256, (*shape, 3), dtype=np.uint8)
    values = random.random(shape, dtype=np.float32)
    found = GuidedFilter(guide, radius)(values)
    assert found.dtype == np.float32
    assert found == pytest.approx(plainly(guide, values, radius), abs=2e-3)


def test_a_blurred_edge_moves_to_that_of_the_image() -> None:
    guide = np.zeros((20, 20, 3), dtype=np.uint8)
    guide[:, 11:] = 200
    blurred = np.linspace(0, 1, 20, dtype=np.float32).repeat(20).reshape(20, 20).T
    blurred = np.clip((blurred - 0.5) * 4 + 0.4, 0, 1)
    found = GuidedFilter(guide, 3)(np.ascontiguousarray(blurred))
    steps = np.abs(np.diff(found, axis=1))
    assert (steps.argmax(axis=1) == 10).all()  # between the columns 10 and 11
    assert steps[:, 10].min() > 2 * np.abs(np.diff(blurred, axis=1)).max()


def test_a_constant_map_stays_and_values_stay_probabilities() -> None:
    random = np.random.default_rng(3)
    guide = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert GuidedFilter(guide, 2)(np.full((16, 16), 0.3, dtype=np.float32)) == pytest.approx(0.3, abs=1e-5)
    found = GuidedFilter(guide, 2)((random.random((16, 16)) > 0.5).astype(np.float32))
    assert found.min() >= 0
    assert found.max() <= 1
