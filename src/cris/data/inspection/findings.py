"""What a check finds."""

from dataclasses import dataclass

ERROR, WARNING, NOTE = "error", "warning", "note"
"""Broken; doubtful; meant to be so, or harmless."""
CHECKS = {
    "files": "files are there, whole and as the manifest says",
    "counts": "the manifest counts what is there",
    "fields": "ids are unique and known, numbers finite, sizes alike",
    "decode": "pictures decode to their size",
    "mask": "masks are run lengths of the picture's size, neither empty nor full",
    "box": "boxes lie round their masks",
    "ambiguous": "no sentence of a picture is on different objects",
    "letters": "sentences have letters",
    "leak": "no picture is in train and in another split",
    "near-duplicate": "no two pictures look alike",
}
"""Check → what holds where it finds nothing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong or doubtful."""

    check: str
    """A key of CHECKS."""
    severity: str
    where: str
    """File and row."""
    what: str

    def __post_init__(self) -> None:
        """A finding belongs to a check."""
        assert self.check in CHECKS, self.check
