"""A browser is found, fetched, or named; all by fakes, as whether there is one depends on the machine."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fixtures import browser

FETCHED = ["playwright install chromium", "apt-get update", "apt-get install"]
PLUGIN = Path(__file__).resolve().parents[1] / "fixtures" / "plugin.py"
System = Callable[..., list[str]]


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> System:
    """Fakes a machine; gives the commands that are run there beside --version."""
    browser.find_or_fetch_browser.cache_clear()

    def fake(
        *present: str,
        broken: str = "",
        brings: dict[str, str] | None = None,
        debian: bool = True,
        root: bool = True,
    ) -> list[str]:
        there, ran = set(present), []

        def run(command: tuple[str, ...], **_: object) -> subprocess.CompletedProcess[bytes]:
            name = Path(command[0]).name
            if command[1:] == ("--version",):
                return subprocess.CompletedProcess(command, int(name == broken))
            ran.append(" ".join(command[-3:] if "playwright" in command else command[:2]))
            there.update(bringing for call, bringing in (brings or {}).items() if call == ran[-1])
            return subprocess.CompletedProcess(command, 0)

        monkeypatch.setattr(subprocess, "run", run)
        monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}" if name in there else None)
        monkeypatch.setattr(browser, "own_path", lambda: "/own/chrome" if "own" in there else None)
        monkeypatch.setattr(browser, "is_debian", lambda: debian)
        monkeypatch.setattr("os.geteuid", lambda: 0 if root else 1000)
        return ran

    return fake


@pytest.fixture(autouse=True)
def _forget() -> None:
    """What the machine of this very run has is found anew by the tests that need it."""
    yield
    browser.find_or_fetch_browser.cache_clear()


@pytest.mark.parametrize(
    ("present", "broken", "path"),
    [
        (["chromium", "google-chrome"], "", "/bin/chromium"),
        (["chromium-browser", "google-chrome"], "chromium-browser", "/bin/google-chrome"),
        (["own"], "", "/own/chrome"),
    ],
)
def test_what_is_there_and_starts_is_taken(
    system: System, present: list[str], broken: str, path: str
) -> None:
    ran = system(*present, broken=broken)
    assert browser.find_or_fetch_browser() == path
    assert ran == []


@pytest.mark.parametrize(
    ("brings", "path", "ran"),
    [
        ({FETCHED[0]: "own"}, "/own/chrome", FETCHED[:1]),
        ({FETCHED[2]: "chromium"}, "/bin/chromium", FETCHED),
        ({}, None, FETCHED),
    ],
)
def test_what_is_missing_is_fetched(
    system: System, brings: dict[str, str], path: str | None, ran: list[str]
) -> None:
    commands = system(brings=brings)
    assert browser.find_or_fetch_browser() == path
    assert commands == ran


@pytest.mark.parametrize("machine", [{"debian": False}, {"root": False}])
def test_packages_are_installed_by_root_on_debian_alone(system: System, machine: dict[str, bool]) -> None:
    commands = system(**machine)
    assert browser.find_or_fetch_browser() is None
    assert commands == FETCHED[:1]


def test_commands_that_hang_or_are_not_there_bring_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: tuple[str, ...], **_: object) -> None:
        raise subprocess.TimeoutExpired(command, 1) if "playwright" in command else FileNotFoundError

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(browser, "own_path", lambda: None)
    assert browser.find_or_fetch_browser() is None


@pytest.mark.parametrize(("ci", "outcome"), [("", {"skipped": 3}), ("true", {"errors": 3})])
def test_without_one_the_run_ends_with_a_line_that_names_the_command(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str, outcome: dict[str, int]
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # they take longer than the test
    pytester.makeconftest(PLUGIN.read_text(encoding="utf-8"))
    package = pytester.mkpydir("tests") / "fixtures"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "browser.py").write_text("FETCH = 'get a browser'\ndef find_or_fetch_browser(): return None\n")
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.parametrize("number", [1, 2])
        def test_first(needs_browser, number): pass
        def test_second(needs_browser): pass
        """
    )
    result = pytester.runpytest_subprocess("-ra", "-o", "pythonpath=.")
    result.assert_outcomes(**outcome)
    told = [
        line for line in result.outlines if line.startswith(("SKIPPED", "ERROR ")) and "get a browser" in line
    ]
    assert len(told) == (3 if ci else 1)
    if not ci:
        assert told[0].startswith("SKIPPED [3] ")
