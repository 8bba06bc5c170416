"""A forked program finds what one finds that was started."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.forked import forked_programs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="programs are forked on Linux alone")
TOLD = """
import json, os, signal, sys, threading
print(json.dumps({
    "name": __name__, "file": globals().get("__file__"), "arguments": sys.argv, "whole": sys.orig_argv,
    "path": sys.path, "folder": os.getcwd(), "environment": dict(os.environ), "input": sys.stdin.read(),
    "interrupts": str(signal.getsignal(signal.SIGINT)), "is_session": os.getsid(0) == os.getpid(),
    "parent": os.getppid(), "threads": threading.active_count(),
    "open": sorted(number for number in map(int, os.listdir("/proc/self/fd")) if number < 6),
    "streams": [(each.encoding, each.errors, each.line_buffering, each.write_through, str(type(each.buffer)))
                for each in (sys.stdin, sys.stdout, sys.stderr)],
}))
print("to the end", file=sys.stderr)
sys.exit(3)
"""
IS_FORKED = "import sys; sys.exit('torch' in sys.modules)"


@pytest.mark.parametrize("kind", ["-c", "-m", "file", "-u", "-P"])
def test_a_forked_program_finds_what_a_started_one_finds(kind: str, tmp_path: Path) -> None:
    (tmp_path / "told.py").write_text(TOLD)
    (tmp_path / "added").mkdir()
    (tmp_path / "added" / "sitecustomize.py").write_text("import os; os.environ['CUSTOMIZED'] = 'ja'")
    paths = [str(tmp_path / "added"), *filter(None, [os.environ.get("PYTHONPATH")])]
    code = ["-c", TOLD]
    commands = {
        "-m": ["-m", "told"],
        "file": ["told.py"],
        "-c": code,
        "-u": ["-u", *code],
        "-P": ["-P", "told.py"],
    }

    def outcome() -> tuple[int, Any, str]:
        done = subprocess.run(
            [sys.executable, *commands[kind], "an", "argument"],
            cwd=tmp_path,
            env={**os.environ, "OWN": "ä", "PYTHONPATH": os.pathsep.join(paths)},
            input="asked",
            capture_output=True,
            text=True,
            start_new_session=True,
        )
        return done.returncode, json.loads(done.stdout), done.stderr

    started = outcome()
    with forked_programs():
        assert outcome() == started
    assert started[0] == 3
    assert started[1]["environment"]["CUSTOMIZED"] == "ja"


def test_what_ends_a_program_is_told_to_who_started_it() -> None:
    with forked_programs():
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        assert process.poll() is None
        process.kill()
        assert process.wait(60) == -signal.SIGKILL
        assert not multiprocessing.active_children()


def test_what_a_forked_program_starts_is_forked_too() -> None:
    nested = f"import subprocess, sys; sys.exit(2 * subprocess.call([sys.executable, '-c', {IS_FORKED!r}]))"
    with forked_programs():
        assert subprocess.call([sys.executable, "-c", nested]) == 2
        pool = multiprocessing.get_context("spawn").Pool(1)
        with pool:
            assert pool.apply(os.getppid) == os.getpid()


@pytest.mark.parametrize(
    "options",
    [
        {"env": {**os.environ, "PYTHONWARNINGS": "ignore"}},
        {"env": {**os.environ, "PYTHONPATH": str(Path(json.__file__).parents[1])}},
        {"preexec_fn": lambda: None},
        {"umask": 0o77},
    ],
    ids=["setting", "hidden modules", "function", "umask"],
)
def test_what_the_server_cannot_do_is_left_to_the_system(options: dict[str, object]) -> None:
    command = [sys.executable, "-c", IS_FORKED]
    with forked_programs():
        assert subprocess.call(command) == 1
        assert subprocess.call(command, **options) == 0  # type: ignore[call-overload]
    assert subprocess.call(command) == 0
