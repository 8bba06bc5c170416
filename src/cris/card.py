"""Front matter of a model card: one-line facts about a model."""

from pathlib import Path

SUMMARY = "summary"
"""Field with a sentence on what the model was trained on and how good it is."""
DOMAIN = "domain"
"""Field with the kind of images that a model is limited to, `RENDERED_SCENES` for example."""
RENDERED_SCENES = "rendered scenes"
"""Domain of cris-scenes."""


def read_front_matter(folder: Path) -> dict[str, str]:
    """Return the fields between the card's first two lines of `---`, as on the Hugging Face hub.

    Each is a name and its text on one line; what is written otherwise is passed over. Empty where the folder
    has no card, or the card no such fields.
    """
    path = folder / "README.md"
    return front_matter(path.read_text(encoding="utf-8", errors="replace")) if path.is_file() else {}


def front_matter(card: str) -> dict[str, str]:
    """Return the fields of a card, as `read_front_matter` does."""
    first, *lines = card.splitlines() or [""]
    if first != "---" or "---" not in lines:
        return {}
    pairs = [line.partition(": ") for line in lines[: lines.index("---")]]
    return {name: text.strip() for name, colon, text in pairs if colon and not name.startswith((" ", "#"))}
