import importlib
import os
import pkgutil
import signal
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import pytest

from cris import __version__
from cris.cli import COMMANDS, main
from cris.cli.errors import UsageError, explain
from cris.errors import BUG, InputError
from tests.cli.conftest import Cris

REPOSITORY = Path(__file__).resolve().parents[2]


def python(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, **options)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_a_file_that_helps_itself(name: str, cris: Cris) -> None:
    outcome = cris(name, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    assert f"usage: cris {name}" in outcome.out


@pytest.mark.parametrize("package", ["cris.cli", "cris.cli.data"])
def test_every_file_with_a_command_is_listed(package: str) -> None:
    module = importlib.import_module(package)
    names = [name for _, name, _ in pkgutil.iter_modules(module.__path__)]
    files = {name: importlib.import_module(f"{package}.{name}") for name in names}
    commands = {name for name, file in files.items() if hasattr(file, "Command") or hasattr(file, "COMMANDS")}
    assert commands == module.COMMANDS.keys()


def test_the_interpreter_looks_for_no_garbage_as_it_ends() -> None:
    code = (
        "import atexit, gc, sys; atexit.register(lambda: print(gc.get_freeze_count() > 1000)); "
        "from cris.cli import main; main(['--version'])"
    )
    assert python("-c", code, check=True).stdout.endswith("\nTrue\n")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_names_every_command(flag: str, cris: Cris) -> None:
    outcome = cris(flag)
    assert (outcome.code, outcome.err) == (0, "")
    assert all(f"  {name} " in outcome.out for name in COMMANDS)


def test_no_command_is_wrong_use_and_shows_the_help(cris: Cris) -> None:
    outcome = cris()
    assert (outcome.code, outcome.out) == (2, "")
    assert "usage: cris COMMAND" in outcome.err


@pytest.mark.parametrize(
    ("typed", "meant"), [("segmnt", "segment"), ("evaluate", "eval"), ("model", "models")]
)
def test_misspelt_command_is_told_the_right_one(typed: str, meant: str, cris: Cris) -> None:
    outcome = cris(typed)
    assert outcome.is_short_error(2)
    assert f"did you mean {meant!r}?" in outcome.err


def test_strange_command_is_told_all_of_them(cris: Cris) -> None:
    outcome = cris("xyzzy")
    assert outcome.is_short_error(2)
    assert ", ".join(COMMANDS) in outcome.err


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_version_is_the_package_s(flag: str, cris: Cris) -> None:
    assert cris(flag).out == f"cris {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("segment",),
        ("segment", "--jsn", "a.jpg", "cat"),
        ("eval", "m", "scenes", "--limit", "few"),
        ("convert",),
    ],
)
def test_wrong_options_are_wrong_use(arguments: tuple[str, ...], cris: Cris) -> None:
    assert cris(*arguments).is_short_error(2)


def test_module_runs_like_the_command() -> None:
    done = python("-m", "cris", "--version")
    assert (done.returncode, done.stdout) == (0, f"cris {__version__}\n")
    scripts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert scripts == {"cris": "cris.cli:main"}


def test_help_loads_nothing_beyond_the_standard_library() -> None:
    code = """
import sys
before = set(sys.modules)
from cris.cli import main
for package in ([], ["data"]):
    assert main([*package, "--help"]) == 0
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
assert loaded - set(sys.stdlib_module_names) == {"cris"}, loaded
"""
    done = python("-c", code)
    assert done.returncode == 0, done.stderr


def test_help_of_every_command_needs_no_torch() -> None:
    code = f"""
import sys
from cris.cli import main
for name in {list(COMMANDS)}:
    assert main([name, "--help"]) == 0
assert "torch" not in sys.modules
"""
    done = python("-c", code)
    assert done.returncode == 0, done.stderr


class Boom:
    """A command that does as told."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def run(self) -> int:
        raise self.error


def fail(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    """The exit code of a command that raises this."""
    monkeypatch.setattr("cris.cli._dispatch", lambda arguments: Boom(error).run())
    return main([])


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("expected a cat,\n got a dog"), 1, "expected a cat, got a dog"),
        (UsageError("one sentence at least"), 2, "one sentence at least"),
        (FileNotFoundError(2, "No such file or directory", "a.jpg"), 1, "a.jpg: no such file or directory"),
        (PermissionError(13, "Permission denied", "/out"), 1, "/out: permission denied"),
        (OSError(28, "No space left on device"), 1, "the disk is full: free some space"),
        (OSError(28, "No space left on device", "/out/a.png"), 1, "the disk is full at /out/a.png"),
        (ConnectionError("cannot download it"), 1, "cannot download it"),
        (OSError(), 1, "OSError"),
        (MemoryError(), 1, "out of memory"),
    ],
)
def test_what_users_cause_is_one_line(
    error: Exception,
    code: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert fail(monkeypatch, error) == code
    said = capsys.readouterr().err
    assert said.startswith(f"cris: error: {line}")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyError("x"), AssertionError(), RuntimeError("bug"), ModuleNotFoundError("x")]
)
def test_bugs_keep_their_traceback_and_ask_to_be_reported(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fail(monkeypatch, error) == BUG
    first, *_, raised, last = capsys.readouterr().err.splitlines()
    assert first == "Traceback (most recent call last):"
    assert raised.startswith(type(error).__name__)
    assert last == "cris: this is a bug in cris: please report it with the traceback above"


def test_debugging_keeps_every_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CRIS_DEBUG", "1")
    assert fail(monkeypatch, UsageError("one sentence at least")) == 2
    said = capsys.readouterr().err
    assert said.startswith("Traceback")
    assert said.endswith("\ncris: error: one sentence at least\n")


@pytest.mark.parametrize(
    ("command", "package", "extra"),
    [
        *[("data", "pyarrow", "data"), ("eval", "pyarrow", "eval"), ("train", "pyarrow", "train")],
        *[("reproduce", "pyarrow", "train"), ("batch", "pyarrow", "batch"), ("train", "wandb", "track")],
        *[("report", "matplotlib", "eval"), ("eval", "openvino", "export")],
    ],
)
def test_the_extra_that_is_named_is_the_command_s_own_if_it_will_do(
    command: str, package: str, extra: str
) -> None:
    line = explain(ModuleNotFoundError(name=package), command)
    assert line == f"this needs {package}, which is not installed: pip install 'cris[{extra}]'"


@pytest.mark.usefixtures("forked_programs")
def test_training_with_the_base_install_names_the_extra_that_brings_all_of_it(tmp_path: Path) -> None:
    code = (
        "import sys; from cris.cli import main; from cris.cli.errors import EXTRAS\n"
        "sys.modules.update(dict.fromkeys(EXTRAS))\n"
        "sys.exit(main(['train', 'scenes-tiny-fixed', '--out', 'run']))"
    )
    done = python("-c", code, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.endswith("which is not installed: pip install 'cris[train]'\n")
    assert not list(tmp_path.iterdir())


def test_interruption_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert fail(monkeypatch, KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "cris: interrupted\n"


def test_termination_unwinds_and_is_143(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)
    unwound = []

    def run(arguments: list[str]) -> int:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            unwound.append(True)
        return 0

    monkeypatch.setattr("cris.cli._dispatch", run)
    assert main([]) == 143
    assert unwound
    assert signal.getsignal(signal.SIGTERM) is before


def test_only_our_warnings_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(arguments: list[str]) -> int:
        for module in ("cris.segmenter", "torch.serialization", "PIL.Image"):
            warnings.warn_explicit(f"of\n{module}", UserWarning, "file.py", 1, module)
        return 0

    monkeypatch.setattr("cris.cli._dispatch", run)
    assert main([]) == 0
    assert capsys.readouterr().err == "cris: warning: of cris.segmenter\n"


def test_reader_that_stops_early_ends_the_command_quietly() -> None:
    # the pipe's reading end is closed before the command writes to it
    code = "import os, sys; r, w = os.pipe(); os.dup2(w, 1); os.close(w); os.close(r)\n"
    done = python("-c", code + "from cris.cli import main; sys.exit(main(['models', '--json']))")
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_any_file_name_can_be_told(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\xc3\xa9.jpg")
    (tmp_path / name).touch()
    done = python(
        *("-m", "cris", "segment", "a.jpg", name),
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 2
    assert done.stderr.startswith(
        r"cris: error: expected sentences after the image, \udcff\xe9.jpg is another"
    )


@pytest.mark.skipif(os.name == "nt", reason="needs a shell of Unix")
@pytest.mark.parametrize(("words", "code"), [("models", 0), ("--help", 0), ("nonsense", 2)])
def test_closed_streams_are_no_bug(words: str, code: int) -> None:
    command = [*("sh", "-c", '"$0" -m cris $1 >&- 2>&-'), sys.executable, words]
    assert subprocess.run(command).returncode == code
