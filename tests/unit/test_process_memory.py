import subprocess
import sys

import pytest

from cris.process_memory import peak_bytes, resident_bytes

MEGA = 2**20
CODE = "from cris.process_memory import peak_bytes; print(peak_bytes())"
RESET = """
from cris.process_memory import peak_bytes, reset_peak
held = bytearray(b"x") * (200 * 2**20)
print(peak_bytes())
del held
reset_peak()
print(peak_bytes())
"""


def test_the_peak_is_at_least_what_is_held() -> None:
    assert 0 < resident_bytes() <= peak_bytes() + MEGA


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
def test_the_peak_follows_what_is_held_since_the_reset() -> None:
    """In a process of its own: that of many tests has other threads, and a peak before this one."""
    peaks = subprocess.run([sys.executable, "-c", RESET], capture_output=True, text=True, check=True).stdout
    with_block, after = map(int, peaks.split())
    assert with_block > 200 * MEGA
    assert after < with_block - 150 * MEGA


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
def test_a_process_does_not_inherit_the_peak_of_the_one_that_started_it() -> None:
    held = bytearray(400 * MEGA)
    held[::4096] = b"x" * len(held[::4096])
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 200 * MEGA < len(held)
