"""Runner of an experiment's `cris` commands, one at a time, waiting for each."""

import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence


def run_stage(arguments: Sequence[str]) -> None:
    """Run `cris` with these arguments in a process of its own, and print the command as a user would type it.

    A process of its own gives back all its memory, and starts the other processes of its training itself.
    What ends this one ends it too: SIGTERM and SIGINT are passed on, and what it saves then is waited for.

    Raises:
        SystemExit: the command failed, with its exit code; it has said why.
    """
    sys.stderr.write(f"$ {shlex.join(['cris', *arguments])}\n")
    sys.stderr.flush()
    # results of a stage go to its files; stdout is the experiment's own
    stage = subprocess.Popen([sys.executable, "-m", "cris", *arguments], stdout=sys.stderr)
    try:
        code = stage.wait()
    except BaseException:
        stage.send_signal(signal.SIGTERM)
        stage.wait()
        raise
    if code:
        raise SystemExit(code if code > 0 else 128 - code)
