"""Templates of the package's pages, and of the Markdown and SVG that go with them."""

import base64
import io
from functools import cache
from typing import TYPE_CHECKING

import jinja2

from cris import __version__

if TYPE_CHECKING:
    from PIL import Image


def fill(template: str, **values: object) -> str:
    """Fill in a template and return the text; it also knows the `version` of cris.

    Whatever users wrote is escaped in HTML and SVG. Markdown has it in code spans. Pages extend page.html,
    which holds their head and their colours.

    Args:
        template: its path in the package, `studies/audit.html` say.
        values: by the names that the template has for them; one that is missing is an error.
    """
    return _environment().get_template(template).render(version=__version__, **values)


def data_uri(image: "Image.Image", format: str = "JPEG", quality: int = 82) -> str:
    """Return the address of an image that stands in a page itself."""
    buffer = io.BytesIO()
    image.save(buffer, format, quality=quality, optimize=True)
    return f"data:image/{format.lower()};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cris", ""),
        autoescape=jinja2.select_autoescape(("html", "svg"), default=False),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = lambda text: text.replace("|", "\\|").replace("\n", " ")
    return environment
