"""Safe reading of pickles of plain values, as the RefCOCO family publishes them; nothing in them is run."""

import io
import pickle
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cris.errors import InputError

SET_NAMES = (("__builtin__", "set"), ("builtins", "set"))
"""Names of the set type in pickles of Python 2 and 3."""
BYTES_NAMES = (("__builtin__", "bytes"), ("builtins", "bytes"))
"""Names under which Python 3 writes empty bytes in pickles that Python 2 must read."""

BYTES_MAKER = ("_codecs", "encode")
CONTAINERS = (dict, list, tuple, set)
PLAIN = (*CONTAINERS, str, bytes, int, float, bool, type(None))


def read_pickle(path: str | Path) -> Any:
    """Return the value in a pickle of dicts, lists, tuples, sets, text, bytes, numbers, bools and None.

    Python 2's `str` is returned as bytes, as nothing in the file tells its encoding.

    Raises:
        InputError: the file asks for anything else (it is named), is truncated, or is not a pickle.
    """
    content = Path(path).read_bytes()
    try:
        value = _PlainUnpickler(content).load()
        _check_plain(value)
    except _UnsafeError as error:
        raise InputError(
            f"{path} asks for {error}, which could run code: "
            "only plain values are read from pickles; fetch the file from a source you trust"
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # whatever a malformed pickle makes Python raise
        reason = str(error) or type(error).__name__
        raise InputError(f"{path} is not a whole pickle ({reason}): fetch it again") from error
    return value


class _UnsafeError(pickle.UnpicklingError):
    """Raised when the pickle asks for something that is not plain; the message is its name."""


class _PlainUnpickler(pickle._Unpickler):
    """Unpickler that finds no class or function but those that make a set or bytes.

    It is Python's own (4 s for the largest of the family), as the C version takes 32 GB when a file says so.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="bytes")

    def find_class(self, module: str, name: str, /) -> Callable[..., object]:
        if (module, name) in SET_NAMES:
            return _maker(_set)
        if (module, name) in BYTES_NAMES:
            return _maker(_no_bytes)
        if (module, name) == BYTES_MAKER:
            return _maker(_bytes)
        raise _UnsafeError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise _UnsafeError("an object kept elsewhere")


def _maker(function: Callable[..., object]) -> Callable[..., object]:
    """Return the function wrapped in an object without attributes, which a pickle could alter."""

    class Maker:
        __slots__ = ()

        def __call__(self, *arguments: Any) -> object:
            return function(*arguments)

    return Maker()


def _set(items: Iterable[Any] = ()) -> set[Any]:
    return set(items)


def _no_bytes() -> bytes:
    return b""


def _bytes(text: Any, encoding: Any) -> bytes:
    """Return the bytes that Python 3 writes this way into protocols that Python 2 reads."""
    if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
        raise _UnsafeError(f"_codecs.encode to {encoding!r}")
    return text.encode("latin1")


def _check_plain(value: Any) -> None:
    """Raise _RefusedError when something is not plain, such as a maker that was not called."""
    waiting, seen = [value], set()
    while waiting:
        item = waiting.pop()
        kind = type(item)
        if kind not in PLAIN:
            raise _UnsafeError("what makes sets or bytes, without a call")
        if kind in CONTAINERS and id(item) not in seen:
            seen.add(id(item))
            waiting.extend(item)
            if kind is dict:
                waiting.extend(item.values())
