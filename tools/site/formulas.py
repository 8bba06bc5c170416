"""Formulas in GitHub's form, ```math blocks and $`…`$, as MathML, which browsers draw without a script."""

import html as html_escapes
import re

from latex2mathml.converter import convert

_BLOCK = re.compile(r"^```math\n(.*?)\n```$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"\$<code>(.*?)</code>\$", re.DOTALL)


def blocks(markdown: str) -> str:
    """Return the Markdown with each block of formulas as a block of MathML."""
    return _BLOCK.sub(
        lambda found: f'<div class="formula">{convert(found[1], display="block")}</div>', markdown
    )


def inline(html: str) -> str:
    """Return the HTML with each formula of a line as MathML."""
    return _INLINE.sub(lambda found: convert(html_escapes.unescape(found[1])), html)
