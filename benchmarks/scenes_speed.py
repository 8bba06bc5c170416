"""Samples of Scenes per second and core: python benchmarks/scenes_speed.py."""

import argparse
import time
from collections.abc import Callable
from functools import partial

import cv2

from cris.data.scenes import Scenes


def per_second(make: Callable[[int], object], count: int) -> tuple[float, float]:
    """Return calls per second: by the clock, and by the processor time of this process."""
    make(0)  # fills the tables that are made once
    clock, processor = time.perf_counter(), time.process_time()
    for index in range(count):
        make(index)
    return count / (time.perf_counter() - clock), count / (time.process_time() - processor)


def main() -> None:
    """Print a table of rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500, help="scenes for each figure (500)")
    parser.add_argument("--size", type=int, nargs="+", default=[96, 160, 224], help="sides in pixels")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print(f"{'size':>5} {'expressions':>12} {'scenes/s':>9} {'scenes/s of processor time':>27}")
    for size in options.size:
        scenes = Scenes("train", size=size)
        for expressions in (1, 8):
            rates = per_second(partial(scenes.scene, expressions=expressions), options.count)
            print(f"{size:>5} {expressions:>12} {rates[0]:>9.0f} {rates[1]:>27.0f}")


if __name__ == "__main__":
    main()
