"""A headless browser that notes what a page asks for and what goes wrong in it; found, or else fetched."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from filelock import FileLock
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
"""Browsers of the system that will do."""
FETCH = f"{sys.executable} -m playwright install --with-deps chromium"
"""What brings a browser, for whoever has to do it by hand."""
_LOCK = Path(tempfile.gettempdir()) / f"cris-tests-{os.getuid()}-browser.lock"
_ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--force-color-profile=srgb"]
_PATIENCE_MS = 120_000
_START_SECONDS, _FETCH_SECONDS = 60, 900


@cache
def find_or_fetch_browser() -> str | None:
    """Return the path of a Chromium that starts; None where there is none and none can be fetched."""
    if found := find_browser():
        return found
    with FileLock(_LOCK):  # the tests' other processes want one, too
        found = find_browser()
        if found is None:
            fetch_browser()
            found = find_browser()
    return found


def find_browser() -> str | None:
    """Return the path of the system's Chromium or, failing that, Playwright's own, if they start."""
    candidates = (*map(shutil.which, NAMES), own_path())
    return next((path for path in candidates if path and _succeeds(path, "--version")), None)


def fetch_browser() -> None:
    """Fetch Playwright's own browser; on Debian its package where that cannot be had and we are root."""
    _succeeds(sys.executable, "-m", "playwright", "install", "chromium", seconds=_FETCH_SECONDS)
    if find_browser() is None and is_debian() and os.geteuid() == 0:
        install = ("apt-get", "install", "--yes", "--no-install-recommends", "chromium")
        for command in (("apt-get", "update"), install):
            _succeeds(*command, seconds=_FETCH_SECONDS)


def own_path() -> str | None:
    """Return where Playwright keeps its own browser, if it has one."""
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).is_file() else None


def is_debian() -> bool:
    """Whether the system's package named chromium is a browser; Ubuntu's, for one, is none."""
    try:
        return platform.freedesktop_os_release()["ID"] == "debian"
    except OSError:
        return False


def _succeeds(*command: str, seconds: int = _START_SECONDS) -> bool:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@contextmanager
def launched() -> Iterator[Browser]:
    """Run the browser, without a window."""
    path = find_or_fetch_browser()  # which starts a playwright of its own
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS, timeout=_PATIENCE_MS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Opened:
    """A page, and what happened while it was open."""

    page: Page
    requests: list[str] = field(default_factory=list)
    """Addresses of all that was asked for."""
    complaints: list[str] = field(default_factory=list)
    """Errors, and what scripts print."""


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """The page of a file, without server or network."""
    with launched() as browser:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
        context.set_default_timeout(_PATIENCE_MS)
        found = Opened(context.new_page())
        found.page.on("request", lambda request: found.requests.append(request.url))
        found.page.on("console", lambda message: found.complaints.append(message.text))
        found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
        found.page.goto(path.resolve().as_uri())
        yield found
