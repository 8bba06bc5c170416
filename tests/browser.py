"""A headless browser that notes what a page asks for and what goes wrong in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"  # Debian's, which .ci/run installs
_PATIENCE_MS = 120_000


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
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"], timeout=_PATIENCE_MS
        )
        try:
            context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
            context.set_default_timeout(_PATIENCE_MS)
            found = Opened(context.new_page())
            found.page.on("request", lambda request: found.requests.append(request.url))
            found.page.on("console", lambda message: found.complaints.append(message.text))
            found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
            found.page.goto(path.resolve().as_uri())
            yield found
        finally:
            browser.close()
