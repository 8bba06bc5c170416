"""What all tests share: checked shapes, fixtures for the reference data, and demonstrations with figures."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import jaxtyping
import pytest
import torch

# The test processes share the cores, and what they start does as they do. (Torch is imported before the hook
# below, which would compile all of torch a second time.)
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
torch.set_num_threads(max(1, torch.get_num_threads() // _WORKERS))
os.environ["OMP_NUM_THREADS"] = str(torch.get_num_threads())

jaxtyping.install_import_hook(
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
    ],
    "beartype.beartype",
)

IN_CI = bool(os.environ.get("CI"))
IS_FULL_SIZE = os.environ.get("CRIS_PROVE") == "1"
SHARED = Path(__file__).resolve().parents[2] / "shared"

hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if IN_CI else "local")


def _shared_folder(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        reason = f"needs the folder shared/{name} beside the repository"
        pytest.fail(reason) if IN_CI else pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def shared_reference() -> Path:
    """Inputs and outputs of the released modules."""
    return _shared_folder("reference")


@pytest.fixture(scope="session")
def shared_real() -> Path:
    """Real photographs with instance masks and sentences."""
    return _shared_folder("real")


@pytest.fixture(scope="session")
def needs_browser() -> None:
    """Marks what needs a browser; `pytest_runtest_setup` sees to it."""


@pytest.hookimpl(tryfirst=True)  # before fixtures start servers
def pytest_runtest_setup(item: pytest.Item) -> None:
    if "needs_browser" not in getattr(item, "fixturenames", ()):
        return
    from tests.fixtures.browser import FETCH, find_or_fetch_browser

    if find_or_fetch_browser() is None:
        # not from the fixture: skips from one place in the code are one line, with their number
        reason = f"needs a browser, which could not be fetched: {FETCH}"
        pytest.fail(reason, pytrace=False) if IN_CI else pytest.skip(reason)


@dataclass(frozen=True)
class Proof:
    """A demonstration: small in every test run, at full size under `make prove`."""

    is_full: bool
    node: pytest.Item

    def count(self, *, full: int, quick: int) -> int:
        """How many samples to take in this run."""
        return full if self.is_full else quick

    def figure(self, what: str, value: object) -> None:
        """Put a line into the table printed after the tests."""
        # A report's properties are what pytest-xdist carries from a worker to the process that prints.
        self.node.user_properties.append(("figure", (what, str(value))))


@pytest.fixture
def prove(request: pytest.FixtureRequest) -> Proof:
    """Makes the test a demonstration, which `make prove` runs at full size."""
    return Proof(is_full=IS_FULL_SIZE, node=request.node)


@pytest.hookimpl(tryfirst=True)  # before pytest selects by -m
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "prove" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.prove)


def _figures(terminalreporter: pytest.TerminalReporter) -> Iterator[tuple[str, str, str]]:
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            if report.when == "call":
                for name, figure in report.user_properties:
                    if name == "figure":
                        what, value = figure
                        yield what, value, "" if outcome == "passed" else "  FAILED"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = sorted(_figures(terminalreporter))
    if not rows:
        return
    size = "full size" if IS_FULL_SIZE else "reduced; make prove runs them at full size"
    terminalreporter.section(f"figures ({size})")
    width = max(len(what) for what, _, _ in rows)
    for what, value, remark in rows:
        terminalreporter.write_line(f"{what:<{width}}  {value}{remark}")
