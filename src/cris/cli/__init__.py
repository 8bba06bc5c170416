"""Command line: each command is a file here, with a dataclass `Command` that has a `run() -> int`."""

import atexit
import difflib
import gc
import importlib
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from cris.cli.errors import UsageError, explain
from cris.cli.verbosity import OPTIONS, split_verbosity
from cris.errors import BUG

GROUPS = {
    "use": {
        "segment": "Light up what sentences refer to, in one image or many",
        "batch": "Segment many images, on many processes or machines",
        "demo": "Segment some photographs and scenes, measure, write a gallery",
        "models": "List the models that can be used by name",
        "doctor": "Tell whether the installation is whole, and what to do where it is not",
    },
    "data": {"data": "Make, check, draw and export data sets"},
    "train": {
        "convert": "Turn released CRIS or CLIP weights into a checkpoint folder",
        "train": "Train a model by a recipe",
        "reproduce": "Repeat a result of the paper, from the data to a model card",
        "ablate": "Train and measure the seven rows of the paper's ablation",
    },
    "measure": {
        "eval": "Measure a model on a data set",
        "report": "Draw a report on an evaluation, with a gallery to sort and filter",
        "compare": "Compare two evaluations sample by sample",
        "table": "Put evaluations beside the paper's figures",
        "audit": "Rank annotations by how likely they are wrong, for review",
        "calibrate": "Make scores the chance of a good mask, and measure it",
        "occlusion": "Measure masks by what shows of the target",
    },
    "ship": {
        "export": "Write a model for onnxruntime, OpenVINO or torch alone",
        "push": "Put a model on the Hugging Face hub",
        "serve": "Serve a model over HTTP, with a page to try it",
    },
}
"""Purpose → commands with their purpose; kept by hand, so that `cris --help` imports nothing."""
COMMANDS = {name: what for commands in GROUPS.values() for name, what in commands.items()}
"""Command → its purpose."""

COMPLETION = "--print-completion"
FAILURE, WRONG_USE, INTERRUPTED, BROKEN_PIPE, TERMINATED = 1, 2, 130, 141, 143


def main(argv: Sequence[str] | None = None) -> int:
    """Run `cris` with these arguments, by default the process's own; return the exit code.

    What a user can cause ends as one line on stderr; a bug with its traceback, a line that asks to report it,
    and exit code 70. CRIS_DEBUG=1 shows the traceback of every error.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed, as by >&-
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # any file name can be printed
    if os.environ.get("NO_COLOR"):
        os.environ.setdefault("PYTHON_TYRO_ANSI_CODES", "False")  # rich knows NO_COLOR, tyro does not
    arguments = list(sys.argv[1:] if argv is None else argv)
    gc.set_threshold(10_000, 10, 10)  # importing torch makes many objects and no garbage
    atexit.register(gc.freeze)  # none is looked for at the end: a sixth of a short command
    try:
        verbosity, arguments = split_verbosity(arguments)
        with _terminable(), verbosity.applied(), _short_warnings(are_shown=verbosity.has_warnings):
            code = _dispatch(arguments)
            sys.stdout.flush()
            return code
    except SystemExit as end:  # tyro ends so after --help and for unknown options
        return end.code if isinstance(end.code, int) else FAILURE
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has enough; the interpreter must not fail once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception as error:
        message = explain(error, next(iter(arguments), ""))
        if message is None or os.environ.get("CRIS_DEBUG"):
            traceback.print_exc()
        if message is None:
            _say("this is a bug in cris: please report it with the traceback above")
            return BUG
        _say(f"error: {message}")
        return WRONG_USE if isinstance(error, UsageError) else FAILURE


def _dispatch(arguments: list[str], commands: Mapping[str, str] = COMMANDS, within: str = "") -> int:
    """Run one of the commands in the folder `within` of this package, by default in the package itself."""
    prog = f"cris {within}".rstrip()
    if not arguments or arguments[0] in ("-h", "--help"):
        (sys.stdout if arguments else sys.stderr).write(_help(prog, commands))
        return 0 if arguments else WRONG_USE
    name, *rest = arguments
    if not within and name in ("-V", "-v", "--version"):
        from cris import __version__  # here, as reading it takes 15 ms, a third of the start

        sys.stdout.write(f"cris {__version__}\n")
        return 0
    if not within and name.partition("=")[0] == COMPLETION:
        from cris.cli.completion import print_completion

        return print_completion(name.partition("=")[2] or next(iter(rest), ""), COMPLETION, COMMANDS, main)
    if name == "help":
        return _dispatch([*rest, "--help"], commands, within)
    if name.startswith("-"):
        known = [option.lstrip("-") for option in (*OPTIONS, *(() if within else (COMPLETION, "--version")))]
        close = difflib.get_close_matches(name.lstrip("-").partition("=")[0], known, n=1)
        hint = f"did you mean --{close[0]}?" if close else "a command's options stand after it"
        raise UsageError(f"there is no option {name} of {prog}: {hint}")
    if name not in commands:
        longer = [known for known in commands if name.startswith(known)]
        close = longer or difflib.get_close_matches(name, commands, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"the commands are {', '.join(commands)}"
        raise UsageError(f"there is no command {f'{within} {name}'.lstrip()!r}: {hint}")
    module: Any = importlib.import_module(".".join(filter(None, ("cris.cli", within, name))))
    if hasattr(module, "COMMANDS"):
        return _dispatch(rest, module.COMMANDS, name)
    if hasattr(module, "parse"):  # its defaults depend on its arguments
        return int(module.parse(f"{prog} {name}", rest).run())
    import tyro  # here, as parsing the commands' names needs none

    from cris.cli.parsing import in_place, parse_options

    rest = in_place(module.Command, rest)
    config = (tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes)
    return int(parse_options(module.Command, f"{prog} {name}", rest, config=config).run())


def _help(prog: str, commands: Mapping[str, str]) -> str:
    width = max(map(len, [*commands, COMPLETION]))
    groups = GROUPS if commands is COMMANDS else {"commands": commands}
    listed = "\n\n".join(
        "\n".join([f"{group}:", *(f"  {name:<{width}}  {what}" for name, what in within.items())])
        for group, within in groups.items()
    )
    shared = {**OPTIONS}
    if commands is COMMANDS:
        shared |= {COMPLETION: "completion for bash, zsh or fish, to stdout", "-V, --version": "the version"}
    options = "".join(f"\n  {option:<{width}}  {use}" for option, use in shared.items())
    what = "Finds the pixels a sentence refers to" if commands is COMMANDS else COMMANDS[prog.split()[-1]]
    return f"""usage: {prog} COMMAND …

{what}.

{listed}

options:
  {"-h, --help":<{width}}  this text; `{prog} COMMAND --help` tells a command's options{options}
"""


def _say(line: str) -> None:
    sys.stderr.write(f"cris: {line}\n")
    sys.stderr.flush()


@contextmanager
def _terminable() -> Iterator[None]:
    """Make SIGTERM unwind the stack, so that what is half-written is removed; exit code 143."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _short_warnings(*, are_shown: bool) -> Iterator[None]:
    """Show our warnings as one line each, and hide those of libraries, which are not for users."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        _say(f"warning: {' '.join(str(message).split())}")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if are_shown:
            warnings.simplefilter("default", UserWarning)
        warnings.filterwarnings("ignore", module=r"(torch|PIL|huggingface_hub)\b")
        warnings.showwarning = show
        yield
