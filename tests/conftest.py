"""What all tests share: checked shapes, fixtures for the reference data, and exports of a model."""

import gc
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import hypothesis
import pytest

from tests.fixtures import forked
from tests.fixtures.checked import check_types_of
from tests.fixtures.plugin import (  # noqa: F401, hooks and fixtures
    IN_CI,
    MakeOnce,
    make_once,
    needs_browser,
    prove,
    pytest_collection_modifyitems,
    pytest_runtest_setup,
    pytest_terminal_summary,
)

SHARED = Path(__file__).resolve().parents[2] / "shared"

gc.disable()
hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if IN_CI else "local")


def pytest_configure(config: pytest.Config) -> None:
    """Prepares a process that runs tests; the one that hands them out forks the others."""
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        forked.fork_all_programs()
        return
    forked.fork_servers_alone()
    import torch  # before the hook below, which would compile all of it a second time

    # the test processes share the cores, and what they start does as they do
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    torch.set_num_threads(max(1, torch.get_num_threads() // workers))
    os.environ["OMP_NUM_THREADS"] = str(torch.get_num_threads())
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112, at 15, Ray's own, workers starve beside other tests
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test asks the hub but one of its own
    check_types_of(
        [
            "cris.model",
            "cris.segmenter",
            "cris.engines",
            "cris.letterbox",
            "cris.prediction",
            "cris.masks",
            "cris.ambiguity",
            "cris.agreement",
            "cris.training.loss",
            "cris.training.masking",
            "cris.data",
        ]
    )


def _shared_folder(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        reason = f"needs the folder shared/{name} beside the repository"
        pytest.fail(reason) if IN_CI else pytest.skip(reason)
    return folder


def pytest_collection_finish() -> None:
    """Spares the garbage collector what all tests share: a tenth of their time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)  # as `cris` itself
    gc.enable()


@pytest.fixture
def forked_programs() -> Iterator[None]:
    """Forks the Python programs that a test starts, in place of starting an interpreter for each."""
    with forked.forked_programs():
        yield


@pytest.fixture(scope="session")
def shared_reference() -> Path:
    """Inputs and outputs of the released modules."""
    return _shared_folder("reference")


@pytest.fixture(scope="session")
def shared_real() -> Path:
    """Real photographs with instance masks and sentences."""
    return _shared_folder("real")


@pytest.fixture(scope="session")
def traces(make_once: MakeOnce) -> Iterator[None]:  # noqa: F811
    """Traces a model once for all its exports."""
    from tests.fixtures.traced import share_traces  # after the hook above

    with pytest.MonkeyPatch.context() as patch:
        share_traces(patch, make_once)
        yield


@pytest.fixture(scope="session")
def exported_scenes(make_once: MakeOnce, traces: None) -> Callable[[str], Path]:  # noqa: F811
    """Gives the folder of cris-scenes in a format; tests read it, or change a copy."""
    from cris import export_model  # after the hook above

    return lambda format: make_once(f"scenes-{format}", partial(export_model, "cris-scenes", format=format))
