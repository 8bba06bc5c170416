"""Draws the page of `cris serve` for the docs, as a desktop and a phone show it.

python -m tools.draw_page [FOLDER]
"""

import sys
from pathlib import Path

from cris.registry import DEFAULT_MODEL
from tests.fixtures.browser import launched
from tests.fixtures.served import served

SIZES = {"page-desktop": (1180, 1150), "page-phone": (390, 844)}
"""Name of the drawing → width and height in CSS pixels."""
EXAMPLE = "chair at the bottom"
"""Sentence of the second photograph that comes with the package."""
QUALITY = 80
PATIENCE = 120_000
"""Milliseconds that a step may take on a busy machine."""


def main() -> None:
    """Take an example, and draw what it shows."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images")
    with served(model=DEFAULT_MODEL) as server, launched() as browser:
        for name, (width, height) in SIZES.items():
            page = browser.new_page(viewport={"width": width, "height": height})
            page.set_default_timeout(PATIENCE)
            page.goto(server.url)
            page.get_by_text(EXAMPLE).click()
            page.locator("table.findings").wait_for(timeout=PATIENCE)
            page.wait_for_timeout(1000)  # until nothing fades any more
            is_phone = name == "page-phone"
            page.screenshot(path=folder / f"{name}.jpg", quality=QUALITY, type="jpeg", full_page=is_phone)
            page.close()


if __name__ == "__main__":
    main()
