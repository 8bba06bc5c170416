"""What tells an error that a user can mend from a bug of ours."""

BUG = 70
"""Exit code of a process that a bug ended; EX_SOFTWARE of sysexits.h."""


class InputError(ValueError):
    """Something a user gave is wrong; the message says what was expected, what came and what to do.

    It ends as one line without a traceback. Any other ValueError is a bug.
    """


class MissingFileError(InputError, FileNotFoundError):
    """A file that a user named is not there."""
