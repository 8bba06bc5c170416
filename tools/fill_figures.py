"""Fills the figures of the documents from the default model's card, and tables from files.

python tools/fill_figures.py [--table NAME=FILE …]

What stands between the lines `<!-- figures: NAME -->` and `<!-- end of figures -->` is replaced: `summary`,
`sizes`, `kinds` and `words` by what the card says, others by the Markdown in FILE, if there is one.
"""

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

from cris.card import SUMMARY, read_front_matter
from cris.registry import DEFAULT_MODEL, MODELS

REPOSITORY = Path(__file__).resolve().parents[1]
DOCUMENTS = (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")))
BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n)(.*?)(\n<!-- end of figures -->)", re.DOTALL)
OF_CARD = ("summary", "sizes", "kinds", "words")


def main() -> None:
    """Rewrite the documents whose figures are others now."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--table", action="append", default=[], metavar="NAME=FILE")
    tables = dict(pair.split("=", 1) for pair in parser.parse_args().table)
    figures = figures_of_card(MODELS / DEFAULT_MODEL)
    figures |= {name: Path(file).read_text(encoding="utf-8").strip() for name, file in tables.items()}
    for path in DOCUMENTS:
        before = path.read_text(encoding="utf-8")
        after = filled(before, figures)
        if after != before:
            path.write_text(after, encoding="utf-8", newline="\n")
            print(path.relative_to(REPOSITORY))


def figures_of_card(folder: Path) -> dict[str, str]:
    """Return a model card's summary, its two tables, and what it says of words."""
    card = (folder / "README.md").read_text(encoding="utf-8")
    measured = card[card.index("## Measured") : card.index("## What it cannot do")]
    paragraphs = measured.strip().split("\n\n")
    sizes, kinds = (each for each in paragraphs if each.startswith("|"))
    words = [each for each in paragraphs if each.startswith("**")]
    summary = read_front_matter(folder)[SUMMARY]
    return {"summary": summary, "sizes": sizes, "kinds": kinds, "words": "\n\n".join(words)}


def filled(document: str, figures: Mapping[str, str]) -> str:
    """Return the document with the figures in their places; places of other names stay as they are."""
    return BLOCK.sub(lambda found: found[1] + figures.get(found[2], found[3]) + found[4], document)


if __name__ == "__main__":
    main()
