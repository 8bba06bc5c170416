import subprocess
import sys

import pytest

from cris.process_memory import peak_bytes, reset_peak, resident_bytes

MEGA = 2**20
CODE = "from cris.process_memory import peak_bytes; print(peak_bytes())"


def test_the_peak_is_at_least_what_is_held() -> None:
    assert 0 < resident_bytes() <= peak_bytes() + MEGA


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
def test_the_peak_follows_what_is_held_since_the_reset() -> None:
    held = bytearray(200 * MEGA)
    held[::4096] = b"x" * len(held[::4096])
    with_block = peak_bytes()
    del held
    reset_peak()
    assert peak_bytes() < with_block - 150 * MEGA


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
def test_a_process_does_not_inherit_the_peak_of_the_one_that_started_it() -> None:
    held = bytearray(400 * MEGA)
    held[::4096] = b"x" * len(held[::4096])
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 200 * MEGA < len(held)
