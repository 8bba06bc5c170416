"""What linters do not see in docstrings: CONTRIBUTING.md, "Names and English"."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NO_OPENINGS = ("What", "Of", "How", "Whether", "Who", "That", "Those", "By", "Where", "Which")
"""First words that leave a docstring without a subject of its own."""


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """Yield file and line of each docstring, those of attributes included, with its text."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        body = getattr(node, "body", None)
        for each in body if isinstance(body, list) else ():
            if (
                isinstance(each, ast.Expr)
                and isinstance(each.value, ast.Constant)
                and isinstance(each.value.value, str)
            ):
                yield f"{path.relative_to(ROOT)}:{each.lineno}", each.value.value


def test_docstrings_stand_by_themselves():
    files = [path for folder in ("src", "tools", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    found = [each for path in files for each in docstrings(path)]
    assert len(found) > 1000
    assert [place for place, text in found if text.split()[0] in NO_OPENINGS] == []
