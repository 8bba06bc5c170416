"""An image with damaged metadata is read, or is an InputError; no server dies of it."""

from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest

from cris.data.sources.conversion import check_image
from cris.data.store.decode import decode_image
from cris.errors import InputError
from cris.image import open_image, read_image
from tests.fixtures.damaged import damaged_images
from tests.fixtures.served import served

MOST_PIXELS = 2**22
MEBIBYTE = 2**20
pytestmark = pytest.mark.filterwarnings("ignore")


def memory(process: int | str = "self") -> int:
    """Bytes of a process's memory."""
    pages = Path(f"/proc/{process}/statm").read_text().split()[1]
    return 4096 * int(pages)


def test_only_input_errors_leave(prove):
    count = prove.count(full=20_000, quick=1000)
    read = before = 0
    for number, data in enumerate(islice(damaged_images(seed=7), count)):
        if number == count // 4:
            before = memory()
        with suppress(InputError):
            open_image(data, "it").close()
        try:
            height, width, _ = read_image(data, max_pixels=MOST_PIXELS).shape
        except InputError:
            continue
        read += 1
        # what can be read can become part of a data set, and be trained on
        check_image(data, "it", height, width)
        assert decode_image(data)[0].shape == (height, width, 3)
    grown = (memory() - before) / MEBIBYTE
    prove.figure("images with damaged metadata that are read", f"{read:,} of {count:,}, the others refused")
    prove.figure("memory grown over three quarters of them", f"{grown:.1f} MiB")
    assert read > count / 2
    assert grown < 32


def test_a_server_outlives_them(prove):
    count = prove.count(full=300, quick=60)
    with served("--no-page") as server, server.client() as client:
        worker = server.worker()
        before, statuses = 0, []
        for number, data in enumerate(islice(damaged_images(seed=8), count)):
            if number == count // 4:
                before = memory(worker)
            statuses.append(server.segment(client, data, "the red ring").status_code)
        grown = (memory(worker) - before) / MEBIBYTE
        assert server.worker() == worker
        events = {entry["event"] for entry in server.log()}
    answered = statuses.count(200)
    prove.figure("of them, that a server answers", f"{answered} of {count}, the others by 422")
    prove.figure("memory that its worker grew by", f"{grown:.1f} MiB")
    assert set(statuses) <= {200, 422}
    assert answered > count / 2
    assert not events & {"error", "worker died", "worker started"}
    assert grown < 128  # features that it keeps are part of it
