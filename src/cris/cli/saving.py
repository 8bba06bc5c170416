"""Output forms of the commands that segment, and the limits of their thresholds."""

from typing import TYPE_CHECKING

from cris.cli.errors import UsageError

if TYPE_CHECKING:
    from cris.prediction import ImageForm

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
