"""What tells an error that a user can mend from a bug of ours."""

BUG = 70
"""Exit code of a process that a bug ended; EX_SOFTWARE of sysexits.h."""


class InputError(ValueError):
    """Something a user gave is wrong; the message says what was expected, what came and what to do.

    It ends as one line without a traceback. Any other ValueError is a bug.
    """


class MissingFileError(InputError, FileNotFoundError):
    """A file that a user named is not there."""


class DamagedImageError(InputError):
    """An image of a data set, or a mask of it, cannot be decoded; the others are not concerned."""

    def __init__(self, image: str, reason: str) -> None:
        """Takes where the image is, and what is wrong of it."""
        super().__init__(image, reason)
        self.image = image
        self.reason = reason

    def __str__(self) -> str:
        """Name the image and what is wrong of it."""
        return f"{self.image}: {self.reason}"
