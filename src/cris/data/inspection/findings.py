"""Findings of a check."""

from dataclasses import dataclass

ERROR, WARNING, NOTE = "error", "warning", "note"
"""Severities: broken; doubtful; intended, or harmless."""
CHECKS = {
    "files": "files are there, whole and as the manifest says",
    "counts": "the manifest counts what is there",
    "fields": "ids are unique and known, numbers finite, sizes alike",
    "decode": "images decode to their size",
    "mask": "masks are run lengths of the image's size, neither empty nor full",
    "box": "boxes lie round their masks",
    "ambiguous": "no sentence of an image is on different objects",
    "letters": "sentences have letters",
    "leak": "no image is in train and in another split",
    "near-duplicate": "no two images look alike",
}
"""Name of a check → fact that holds when it finds nothing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A fact that is wrong or doubtful."""

    check: str
    """Key of CHECKS."""
    severity: str
    where: str
    """File and row."""
    what: str

    def __post_init__(self) -> None:
        """Check that the finding belongs to a known check."""
        assert self.check in CHECKS, self.check
