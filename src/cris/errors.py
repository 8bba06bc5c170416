"""Errors that a user can mend, as opposed to bugs."""

BUG = 70
"""Exit code of a process that a bug ended; EX_SOFTWARE of sysexits.h."""


class InputError(ValueError):
    """Error in something that a user gave; the message says what was expected, what came and what to do.

    It ends as one line without a traceback. Any other ValueError is a bug.
    """


class UsageError(InputError):
    """Wrong arguments of a function, or options of a command, which then ends with 2, not with 1."""


class MissingFileError(InputError, FileNotFoundError):
    """Error for a file that a user named and that is not there."""


class DamagedImageError(InputError):
    """Error for one image or mask of a data set that cannot be decoded; the others are not concerned."""

    def __init__(self, image: str, reason: str) -> None:
        """Set where the image is, and what is wrong with it."""
        super().__init__(image, reason)
        self.image = image
        self.reason = reason

    def __str__(self) -> str:
        """Name the image and what is wrong with it."""
        return f"{self.image}: {self.reason}"
