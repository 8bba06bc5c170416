"""Parser of a command's options with tyro; a mistake becomes one line that says what was expected."""

import difflib
import io
import re
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from itertools import chain
from typing import Any, TypeVar

import tyro

from cris.cli.errors import UsageError
from cris.cli.verbosity import OPTIONS

Experiment = TypeVar("Experiment", bound=Any)
COMMON_NAMES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("lr", "learning-rate"), ("optimizer.learning-rate",)),
    **dict.fromkeys(("wd", "weight-decay"), ("optimizer.weight-decay",)),
    **dict.fromkeys(("grad-clip", "clip-grad", "max-norm"), ("optimizer.gradient-clip",)),
    **dict.fromkeys(("bs", "b", "batch"), ("sampling.pictures", "batch-size")),
    "batch-size": ("sampling.pictures",),
    **dict.fromkeys(("num-workers", "workers", "j"), ("sampling.workers", "processes")),
    **dict.fromkeys(("iterations", "iters", "num-steps"), ("steps",)),
    **dict.fromkeys(("img-size", "imgsz", "image-size", "size"), ("inference.input-size",)),
    **dict.fromkeys(("gpus", "gpu", "devices", "cuda"), ("device",)),
    **dict.fromkeys(("amp", "fp16", "half", "bf16", "dtype"), ("precision",)),
    **dict.fromkeys(("optim", "optimizer"), ("optimizer.name",)),
    **dict.fromkeys(("warmup", "warmup-steps"), ("schedule.warmup-steps",)),
    **dict.fromkeys(("ema",), ("ema-decay",)),
    **dict.fromkeys(("o", "output", "output-dir", "out-dir", "save-dir", "outdir"), ("out",)),
    **dict.fromkeys(("m", "weights", "checkpoint", "ckpt", "pretrained"), ("model", "from")),
    **dict.fromkeys(("init", "start"), ("from",)),
    **dict.fromkeys(("d", "dataset", "data-dir", "data-root"), ("data",)),
    **dict.fromkeys(("conf", "confidence", "score"), ("min-score",)),
    **dict.fromkeys(("num-processes", "nproc"), ("processes",)),
    **dict.fromkeys(("n", "num-samples", "max-samples"), ("limit", "count")),
    **dict.fromkeys(("f", "force", "yes"), ("overwrite",)),
    **dict.fromkeys(("continue", "restart"), ("resume",)),
    **dict.fromkeys(("q", "silent"), ("quiet",)),
    **dict.fromkeys(("v", "verbose", "verbosity"), ("log-level",)),
}
"""Option as other tools call it → ours, of which a command has one or none."""
EARLIER_NAMES = {"--calibration": "--int8-images"}
"""Option as scripts may still have it → its name."""
_NOT_PASSED_ON = ("--data", "--out", "--resume", "--overwrite", "--json", "--print-config", "--dry-run")
"""Options of `cris train` that an experiment gives itself."""
_RULES = re.compile(r"[-─\s]*")
_BOX = "│╭╮╰╯"


def parse_options(
    command: Any, prog: str, arguments: Sequence[str], *, default: Any = None, config: Sequence[Any] = ()
) -> Any:
    """Return the command with its options.

    Args:
        command: a dataclass, or a union of them as subcommands.
        prog: the program's name in help and errors.
        arguments: after that name.
        default: an instance with the values of what is left out; None for the class's own.
        config: tyro's markers.

    Raises:
        UsageError: an option or value is wrong; one line says what was expected.
        SystemExit: help was asked for and printed.
    """
    arguments = [_renamed(word) for word in arguments]
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            return _parse(command, prog, arguments, default, config)
    except SystemExit as end:
        if not end.code:
            raise
        message = in_one_line(said.getvalue(), prog)
        if message is None:
            names = [word for word in _unrecognised(said.getvalue()) if word.startswith("-")]
            message = _no_such_option(names[0], prog, _options(command, prog, default, config))
        raise UsageError(message) from None


def split_options(command: type[Experiment], prog: str, arguments: Sequence[str]) -> Experiment:
    """Return the command from what stands before --; what follows becomes its `options`, for `cris train`.

    Raises:
        UsageError: an option is given there that the experiment decides.
    """
    words = list(arguments)
    end = words.index("--") if "--" in words else len(words)
    passed = tuple(words[end + 1 :])
    for word in passed:
        if word.split("=")[0] in _NOT_PASSED_ON:
            raise UsageError(
                f"{word} stands after --, but is not for cris train to decide here: put it before"
            )
    experiment: Experiment = parse_options(command, prog, words[:end], config=(tyro.conf.OmitArgPrefixes,))
    return replace(experiment, options=passed)


def in_place(command: Any, arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the model first and the output last, where they were given as options.

    Commands whose first argument is a model, or whose last is the output, take it as --model or --out, too.
    """
    words = list(arguments)
    if model := _take(command, "model", words):
        words.insert(0, model)
    if out := _take(command, "out", words):
        words += [out] if "--" in words else ["--", out]
    return words


def _take(command: Any, name: str, words: list[str]) -> str | None:
    """Take the option with its value out of the words, where the command has it as an argument."""
    field = getattr(command, "__annotations__", {}).get(name)
    if tyro.conf.Positional not in getattr(field, "__metadata__", ()):
        return None
    for place, word in enumerate(words):
        if word == "--":
            break
        if word.startswith(f"--{name}="):
            return words.pop(place).partition("=")[2]
        if word == f"--{name}" and place + 1 < len(words):
            del words[place]
            return words.pop(place)
    return None


def _renamed(word: str) -> str:
    name, mark, value = word.partition("=")
    return EARLIER_NAMES.get(name, name) + mark + value


def _parse(command: Any, prog: str, arguments: Sequence[str], default: Any, config: Sequence[Any]) -> Any:
    given = {} if default is None else {"default": default}
    markers = (tyro.conf.FlagCreatePairsOff, tyro.conf.HelptextFromCommentsOff, *config)
    return tyro.cli(command, prog=prog, args=list(arguments), config=markers, **given)


def _options(command: Any, prog: str, default: Any, config: Sequence[Any]) -> list[str]:
    """Return the names of all options, without their hyphens, as the help has them."""
    shown = io.StringIO()
    try:
        with redirect_stdout(shown):
            _parse(command, prog, ["--help"], default, config)
    except SystemExit:
        pass
    return re.findall(r"^\W{0,3}--([a-z][\w.-]*)", shown.getvalue(), flags=re.MULTILINE)


def _no_such_option(given: str, prog: str, options: Sequence[str]) -> str:
    name = given.lstrip("-").partition("=")[0].replace("_", "-")
    options = [*options, *(option.lstrip("-") for option in OPTIONS)]
    known = [ours for ours in COMMON_NAMES.get(name, ()) if ours in options]
    ends = [option for option in options if option.rpartition(".")[2] == name]
    close = known or ends or difflib.get_close_matches(name, options, n=1)
    hint = f"did you mean --{close[0]}?" if close else f"{prog} --help lists the options"
    return f"there is no option {given.partition('=')[0]}: {hint}"


def in_one_line(box: str, prog: str) -> str | None:
    """Return the message of a box of tyro's in one line; None where it says that there is no such option."""
    sections = _sections(box)
    lines = sections[0] if sections else []
    text = " ".join(line.strip() for line in lines)
    help_hint = f"{prog} --help lists the options"
    if words := _unrecognised(box):
        if any(word.startswith("-") for word in words):
            return None
        choices = re.search(r"Available subcommands: ([\w, -]+)", " ".join(chain.from_iterable(sections[1:])))
        hint = f"choose {choices[1].strip()}" if choices else help_hint
        return f"expected nothing more, got {' '.join(words)!r}: {hint}"
    if found := re.match(r"Error parsing (\S+): (.*)", text):
        return f"{found[1].removesuffix(':')}: {_plain_reason(found[2])}"
    if found := re.match(r"invalid choice '(.*)' for argument '(.*)'\. Expected one of \((.*)\)\.$", text):
        value, name, listed = found.groups()
        allowed = [each for each in re.findall(r"'([^']*)'", listed) if each != "None"]
        return not_one_of(name, value, allowed)
    if found := re.match(r"Missing value for argument '(.*)'", text):
        return f"{found[1]} needs a value: {help_hint}"
    if found := re.match(r"Expected one of \{(.*)\}", text):
        return f"expected one of {found[1]} after {prog}, got nothing"
    if text.startswith("Missing from "):
        depth = min(len(line) - len(line.lstrip()) for line in lines[1:])
        names = [line.strip() for line in lines[1:] if len(line) - len(line.lstrip()) == depth]
        return f"expected {' and '.join(names)}, got nothing: {help_hint}"
    return text or f"wrong use: {help_hint}"


def not_one_of(name: str, value: str, allowed: Sequence[str]) -> str:
    """Return the message for an option's value that is none of those allowed, with what was likely meant."""
    longer = sorted(each for each in allowed if each.startswith(value))
    close = longer or difflib.get_close_matches(value, allowed, n=1)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    return f"{name} must be one of {', '.join(allowed)}, got {value!r}{hint}"


def _unrecognised(box: str) -> list[str]:
    text = " ".join(line.strip() for line in (_sections(box) or [[]])[0])
    found = re.match(r"Unrecognized options: (.*)", text)
    return found[1].split(", ") if found else []


def _sections(box: str) -> list[list[str]]:
    """Return the lines between the rules of a box, without its frame and title."""
    lines = [line.strip(_BOX).rstrip() for line in box.splitlines() if line.strip()]
    is_rule = [len(line.strip()) > 2 and bool(_RULES.fullmatch(line)) for line in lines]
    # the title is in the frame, or stands above a rule where the frame is of blanks
    first = 1 if lines and lines[0].startswith("─") else is_rule.index(True) + 1 if True in is_rule else 0
    sections: list[list[str]] = [[]]
    for line, rule in zip(lines[first:], is_rule[first:], strict=True):
        if rule:
            sections.append([])
        else:
            sections[-1].append(line)
    return [section for section in sections if section]


def _plain_reason(reason: str) -> str:
    if found := re.search(r"Got errors: .*- <class '(?:int|float)'>: (.*)", reason):
        reason = found[1]  # of an option that may be None, too
    if found := re.match(r"could not convert string to float: (.*)", reason):
        return f"expected a number, got {found[1]}"
    if found := re.match(r"invalid literal for int\(\) with base 10: (.*)", reason):
        return f"expected a whole number, got {found[1]}"
    return reason
