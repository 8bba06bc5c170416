"""Pickles are read for plain values, and run nothing."""

import collections
import contextlib
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cris.data.annotations.pickles import read_pickle
from cris.process_memory import peak_bytes, reset_peak, resident_bytes
from tests.fixtures.family import python2_pickle

PLAIN = [
    {"a": [1, 2.5, True, None], "b": (1, (2, ())), "c": {1, 2}, "d": "größer", "e": b"\x00\xff", "f": b""},
    2**100,
    set(),
    -(2**31),
]


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", PLAIN, ids=["nested", "long", "set", "int"])
def test_plain_values_of_every_protocol_come_back(tmp_path: Path, value: Any, protocol: int) -> None:
    assert read_pickle(write(tmp_path / "a.p", pickle.dumps(value, protocol))) == value


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_text_of_python_2_comes_as_its_bytes(tmp_path: Path, protocol: int) -> None:
    value = [{"split": "val", "sent": "größer'\"\n", "ids": {3}}]
    read = read_pickle(write(tmp_path / "a.p", python2_pickle(value, protocol=protocol)))
    assert read == [{b"split": b"val", b"sent": "größer'\"\n".encode(), b"ids": {3}}]


class Hostile:
    """Says in a pickle: call that with these arguments."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call, self.arguments


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Hostile(os.system, "touch ran"), "posix.system"),
        (Hostile(eval, "open('ran', 'w')"), "eval"),
        (Hostile(exec, "open('ran', 'w')"), "exec"),
        (Hostile(getattr, {}, "clear"), "getattr"),
        (Hostile(__import__, "os"), "__import__"),
        (Hostile(bytearray, 5), "bytearray"),
        (Hostile(frozenset, [1]), "frozenset"),
        (Hostile(print, 1), "print"),
        (collections.OrderedDict(a=1), "collections.OrderedDict"),
        (Path("a"), "pathlib"),
        (1j, "complex"),
    ],
)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_is_not_plain_is_refused_by_name_and_never_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: Any, name: str, protocol: int
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "a.p", pickle.dumps([1, {"deep": value}], protocol))
    with pytest.raises(ValueError, match=name) as error:
        read_pickle(path)
    assert "asks for" in str(error.value)
    assert str(path) in str(error.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"cos\nsystem\n(S'touch ran'\ntR.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\ttouch ran\x85R.",
        b"(S'touch ran'\nios\nsystem\n.",  # INST
        b"\x80\x02c__builtin__\nset\n\x81.",  # NEWOBJ of a function
        b"\x80\x04\x8c\x08builtins\x8c\x0dset.__class__\x93.",  # a dotted name
        b"c_codecs\nencode\n(Vabc\nVrot13\ntR.",
        b"Pname\n.",  # PERSID
        b"\x82\x01.",  # EXT1
        b"\x80\x02c__builtin__\nset\n}S'a'\nK\x01sb.",  # BUILD on what makes sets
    ],
)
def test_hand_made_pickles_run_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    before = dict(vars(set))
    with pytest.raises(ValueError, match=r"asks for|not a whole pickle"):
        read_pickle(write(tmp_path / "a.p", content))
    assert not (tmp_path / "ran").exists()
    assert dict(vars(set)) == before


def test_a_memo_of_billions_takes_no_memory(tmp_path: Path) -> None:
    reset_peak()
    before = resident_bytes()
    assert read_pickle(write(tmp_path / "a.p", b"\x80\x02]r\xff\xff\xff\x7f.")) == []
    assert peak_bytes() - before < 2**26


@given(st.data())
def test_damage_is_one_error(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(pickle.dumps(PLAIN, 2))
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    path = write(tmp_path_factory.getbasetemp() / "damaged.p", bytes(content))
    with contextlib.suppress(MemoryError):
        try:
            read_pickle(path)
        except ValueError as error:
            message = str(error)
        else:
            message = str(path)
        assert str(path) in message
