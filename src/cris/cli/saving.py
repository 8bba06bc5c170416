"""Output folder and forms of the commands that segment, limits of their thresholds, and a warning."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from cris.card import DOMAIN, read_front_matter
from cris.cli.errors import UsageError

if TYPE_CHECKING:
    from cris.prediction import ImageForm

OUT = "cris-out"
"""Folder of the results where none is named; with a number where it holds another job's."""
FILES: "dict[ImageForm, str]" = {"mask": ".mask.png", "overlay": ".overlay.png", "cutout": ".cutout.png"}
"""Form that is an image → the ending of its file's name."""
FORMS = (*FILES, "polygons", "yolo")


def saved_forms(named: str, known: tuple[str, ...] = FORMS) -> tuple[str, ...]:
    """Return the forms that an option --save names, with commas between.

    Raises:
        UsageError: one is not known.
    """
    forms = tuple(dict.fromkeys(part.strip() for part in named.split(",") if part.strip()))
    for form in forms:
        if form not in known:
            raise UsageError(f"--save takes {', '.join(known)}, with commas between, got {form!r}")
    return forms


def check_share(option: str, value: float | None) -> None:
    """Raise UsageError for a value that is not from 0 to 1; None stands for the model's own."""
    if value is not None and not 0 <= value <= 1:
        raise UsageError(f"{option} must be from 0 to 1, got {value}")


def warn_of_domain(model: str, checkpoint: Path) -> None:
    """Warn of a model that knows images of one kind alone, as its card says."""
    if domain := read_front_matter(checkpoint).get(DOMAIN):
        warnings.warn(f"{model} knows {domain} alone: on other images it is often wrong", stacklevel=1)
