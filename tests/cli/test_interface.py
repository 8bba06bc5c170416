"""One spelling for one thing, in every command of the parser."""

import dataclasses
import importlib
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import pytest
import tyro

from cris.cli import COMMANDS
from cris.cli.batch import Command as Batch
from cris.cli.parsing import in_place, parse_options
from cris.cli.train import parse as parse_train
from cris.errors import UsageError
from tests.cli.test_documented import EVERY


def classes() -> Iterator[tuple[str, type]]:
    """Yield the name and dataclass of every command, and of each part of one that has parts."""
    for words in EVERY:
        command = importlib.import_module(".".join(("cris.cli", *words))).Command
        for part in [get_args(part)[0] for part in get_args(command)] or [command]:
            yield " ".join((*words, part.__name__)), part


def options(command: type) -> dict[str, dataclasses.Field[Any]]:
    """Return the command's fields by the names that the command line has for them."""
    found = {}
    for field in dataclasses.fields(command):
        names = [getattr(one, "name", None) for one in getattr(field.type, "__metadata__", ())]
        found[next(filter(None, names), field.name.replace("_", "-"))] = field
    return found


def plain(field: dataclasses.Field[Any]) -> object:
    """Return a field's type without what is said about it."""
    return get_args(field.type)[0] if hasattr(field.type, "__metadata__") else field.type


def is_positional(field: dataclasses.Field[Any]) -> bool:
    return tyro.conf.Positional in getattr(field.type, "__metadata__", ())


ALL = dict(classes())
every_command = pytest.mark.parametrize("command", ALL.values(), ids=ALL)


@every_command
def test_where_there_is_out_there_are_json_and_overwrite(command: type) -> None:
    known = options(command)
    assert "out" not in known or {"json", "overwrite"} <= known.keys()


@every_command
def test_resume_overwrite_and_json_are_flags(command: type) -> None:
    known = options(command)
    assert all(plain(known[name]) is bool for name in ("resume", "overwrite", "json") if name in known)


@every_command
def test_model_names_a_model_and_comes_first_or_as_an_option(command: type) -> None:
    known = options(command)
    if "model" not in known:
        return
    assert plain(known["model"]) is str
    if is_positional(known["model"]):
        assert next(iter(known)) == "model"
        assert in_place(command, ["a", "--model", "m", "-x"]) == ["m", "a", "-x"]
        assert in_place(command, ["a", "--model=m"]) == ["m", "a"]
        assert in_place(command, ["a", "--", "--model", "m"]) == ["a", "--", "--model", "m"]


@every_command
def test_an_output_that_comes_last_may_be_an_option(command: type) -> None:
    known = options(command)
    is_last = "out" in known and is_positional(known["out"])
    expected = ["a", "-x", "--", "o"] if is_last else ["a", "--out", "o", "-x"]
    assert in_place(command, ["a", "--out", "o", "-x"]) == expected


def test_bulk_takes_its_output_in_its_place_or_as_an_option() -> None:
    config = (tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes)
    given = (["in", "o", "--sentences", "s"], ["in", "--out", "o", "--sentences", "s"])
    for words in (*given, ["--out=o", "--sentences", "s", "--", "in"]):
        command = parse_options(Batch, "cris batch", in_place(Batch, words), config=config)
        assert (command.source, command.out) == ("in", "o")


@every_command
def test_sentences_are_sentences_not_their_number(command: type) -> None:
    known = options(command)
    assert "sentences" not in known or plain(known["sentences"]) is not int


def test_a_flag_of_one_command_is_a_flag_of_all() -> None:
    kinds: dict[str, set[bool]] = {}
    for command in ALL.values():
        for name, field in options(command).items():
            kinds.setdefault(name, set()).add(plain(field) is bool)
    assert not [name for name, found in kinds.items() if len(found) > 1]


def test_numbers_have_one_type_in_all_commands() -> None:
    kinds: dict[str, set[object]] = {}
    for command in ALL.values():
        for name, field in options(command).items():
            kind = plain(field)
            parts = set(get_args(kind)) if get_origin(kind) is not tuple else set()
            for one in ({kind} | parts) & {int, float}:
                kinds.setdefault(name, set()).add(one)
    assert not [name for name, found in kinds.items() if len(found) > 1]


def test_calibration_is_of_scores_alone() -> None:
    assert not [name for command in ALL.values() for name in options(command) if name == "calibration"]
    assert "calibrate" in COMMANDS


def test_spellings_that_scripts_have_go_on_working() -> None:
    for words in (["--resume"], ["--resume", "auto"], ["--resume=auto"]):
        assert parse_train("cris train", ["scenes-tiny-fixed", "--out", "run", *words]).resume
    with pytest.raises(UsageError, match="'never'"):
        parse_train("cris train", ["scenes-tiny-fixed", "--resume", "never"])
    from cris.cli.export import Command

    words = ["m", "--format", "onnx", "--out", "e", "--calibration", "photos"]
    config = (tyro.conf.OmitArgPrefixes,)
    assert parse_options(Command, "cris export", words, config=config).int8_images == "photos"
