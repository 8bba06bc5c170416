"""How much a command tells: --quiet, --log-level, NO_COLOR, and pipes."""

import json
import logging
import os
import pty
import subprocess
import sys
from types import SimpleNamespace

import pytest

from cris import progress
from cris.cli.console import log_shown
from cris.cli.verbosity import LOG, split_verbosity
from tests.cli.conftest import Cris


@pytest.mark.parametrize(
    ("arguments", "level", "is_quiet", "rest"),
    [
        (["segment", "a"], None, False, ["segment", "a"]),
        (["--quiet", "segment", "a"], "error", True, ["segment", "a"]),
        (["segment", "a", "--quiet"], "error", True, ["segment", "a"]),
        (["--log-level", "debug", "segment"], "debug", False, ["segment"]),
        (["segment", "--log-level=INFO"], "info", False, ["segment"]),
        (["segment", "--quiet", "--log-level", "info"], "info", True, ["segment"]),
        (
            ["segment", "--", "--quiet", "--log-level"],
            None,
            False,
            ["segment", "--", "--quiet", "--log-level"],
        ),
    ],
)
def test_both_options_stand_before_or_after_the_command(arguments, level, is_quiet, rest):
    verbosity, others = split_verbosity(arguments)
    assert (verbosity.level, verbosity.is_quiet, others) == (level, is_quiet, rest)


@pytest.mark.parametrize(
    "arguments", [("--log-level",), ("models", "--log-level", "loud"), ("--log-level=",)]
)
def test_another_level_is_refused(arguments: tuple[str, ...], cris: Cris) -> None:
    outcome = cris(*arguments)
    assert outcome.is_short_error(2)
    assert "--log-level must be one of debug, info, warning, error" in outcome.err


def telling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put in place of `cris models` what logs at every level, warns and counts."""

    def run() -> int:
        import warnings

        for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            logging.getLogger("cris.evaluation").log(level, logging.getLevelName(level).lower())
        warnings.warn("careful", UserWarning, stacklevel=1)
        sys.stdout.write("result\n")
        return 0

    module = SimpleNamespace(parse=lambda prog, rest: SimpleNamespace(run=run))
    monkeypatch.setitem(sys.modules, "cris.cli.models", module)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--log-level", "debug"), ["debug", "info", "warning", "error", "warning: careful"]),
        (("--log-level", "info"), ["info", "warning", "error", "warning: careful"]),
        (("--log-level", "warning"), ["warning", "error", "warning: careful"]),
        (("--log-level", "error"), ["error"]),
        (("--quiet",), ["error"]),
    ],
)
@pytest.mark.parametrize("is_before", [True, False])
def test_the_level_rules_what_the_library_logs_and_warnings(
    options: tuple[str, ...], told: list[str], is_before: bool, cris: Cris, monkeypatch: pytest.MonkeyPatch
) -> None:
    telling(monkeypatch)
    outcome = cris(*options, "models") if is_before else cris("models", *options)
    assert (outcome.code, outcome.out) == (0, "result\n")
    assert outcome.err.splitlines() == [f"cris: {line}" for line in told]
    assert not LOG.handlers
    assert LOG.level == logging.NOTSET


def test_errors_are_told_in_quiet_too(cris: Cris) -> None:
    outcome = cris("segment", "nowhere.jpg", "a cat", "--quiet")
    assert outcome.is_short_error()


def test_stages_of_long_commands_are_told_unless_a_level_was_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with log_shown():
        LOG.info("a stage")
    assert capsys.readouterr().err == "cris: a stage\n"
    verbosity, _ = split_verbosity(["--quiet"])
    with verbosity.applied(), log_shown():
        LOG.info("a stage")
    assert capsys.readouterr().err == ""


def in_terminal(*command: str, env: dict[str, str]) -> str:
    """What a command writes where stdout and stderr are a terminal."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *command],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**os.environ, **env},
    )
    os.close(follower)
    said = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:
            break
        if not piece:
            break
        said += piece
    os.close(leader)
    assert process.wait() == 0, said.decode()
    return said.decode()


BAR = """
import time
from cris.progress import track
for _ in track(range(3), total=3, what="images"):
    time.sleep(0.2)
"""


def test_bars_are_of_terminals_alone_whatever_forces_colours() -> None:
    assert "images" in in_terminal("-c", BAR, env={"TERM": "xterm"})
    piped = subprocess.run(
        [sys.executable, "-c", BAR], capture_output=True, env={**os.environ, "FORCE_COLOR": "1"}, check=True
    )
    assert piped.stdout == piped.stderr == b""


def test_quiet_leaves_bars_out() -> None:
    quiet = f"from cris import progress\nwith progress.quiet():\n    exec({BAR!r})"
    assert in_terminal("-c", quiet, env={"TERM": "xterm"}) == ""


@pytest.mark.parametrize("arguments", [("models",), ("models", "--help"), ("--help",)], ids=" ".join)
def test_no_color_means_no_colour(arguments: tuple[str, ...]) -> None:
    said = in_terminal("-m", "cris", *arguments, env={"TERM": "xterm-256color", "NO_COLOR": "1"})
    assert "cris" in said
    codes = {code for part in said.split("\x1b[")[1:] for code in part.partition("m")[0].split(";")}
    assert not {code for code in codes if code[:1] in ("3", "4", "9") and len(code) > 1}


def test_quiet_is_over_when_the_command_is(cris: Cris) -> None:
    cris("models", "--quiet")
    assert not progress.is_quiet()


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("--quite", "doctor"), "there is no option --quite of cris: did you mean --quiet?"),
        (("doctor", "--quite"), "there is no option --quite: did you mean --quiet?"),
        (("doctor", "-q"), "there is no option -q: did you mean --quiet?"),
        (("doctor", "--verbose"), "there is no option --verbose: did you mean --log-level?"),
        (("data", "--log-levle", "info", "check"), "did you mean --log-level?"),
        (("--json", "doctor"), "there is no option --json of cris: a command's options stand after it"),
        (("--print-completions", "bash"), "did you mean --print-completion?"),
    ],
)
def test_a_typo_in_an_option_that_all_commands_have_is_told(
    arguments: tuple[str, ...], hint: str, cris: Cris
) -> None:
    outcome = cris(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert hint in outcome.err


@pytest.mark.parametrize(("options", "levels"), [([], ["info", "error"]), (["--quiet"], ["error"])])
def test_the_level_rules_the_server_s_log_too(options: list[str], levels: list[str]) -> None:
    code = f"""
import logging
from cris.cli.verbosity import split_verbosity
from cris.serving.logs import configure, log
with split_verbosity({options})[0].applied():
    configure()
    log("one")
    log("two", logging.ERROR)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [json.loads(line)["level"] for line in done.stderr.splitlines()] == levels
