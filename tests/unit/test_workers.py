import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from cris.errors import InputError
from cris.workers import ATTEMPTS, WorkerDiedError, run_tasks


def squares() -> Callable[[int], int]:
    return partial(pow, exp=2)


def refuses() -> Callable[[int], int]:
    raise InputError("no such model")


def fails(task: int) -> int:
    raise KeyError(task)


def failing() -> Callable[[int], int]:
    return fails


def dies_once(marks: Path, task: int) -> int:
    mark = marks / str(task)
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def dying_once(marks: Path) -> Callable[[int], int]:
    return partial(dies_once, marks)


@pytest.fixture
def children() -> Callable[[], list[int | None]]:
    """The processes that are there now and were not when the test began, as other tests may keep some."""
    before = [process.pid for process in multiprocessing.active_children()]
    return lambda: [process.pid for process in multiprocessing.active_children() if process.pid not in before]


def test_every_task_is_done_once(children) -> None:
    assert dict(run_tasks([squares] * 2, [3, 1, 2])) == {0: 9, 1: 1, 2: 4}
    assert children() == []


def variable() -> Callable[[str], str | None]:
    return os.environ.get


def test_a_process_has_the_environment_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("first", "second"):  # a server that forks them keeps that of its own start
        monkeypatch.setenv("OF_THE_PARENT", value)
        assert dict(run_tasks([variable], ["OF_THE_PARENT"])) == {0: value}
    monkeypatch.delenv("OF_THE_PARENT")
    assert dict(run_tasks([variable], ["OF_THE_PARENT"])) == {0: None}


def test_no_tasks_start_nothing() -> None:
    assert list(run_tasks([refuses], [])) == []


def test_a_task_is_done_again_after_its_process_died(tmp_path: Path) -> None:
    assert dict(run_tasks([partial(dying_once, tmp_path)], [7])) == {0: 7}


def test_death_at_every_attempt_names_the_task_and_leaves_no_process(children) -> None:
    with pytest.raises(WorkerDiedError, match=f"{ATTEMPTS} processes died") as caught:
        list(run_tasks([os.abort], [7]))
    assert (caught.value.index, caught.value.exit_code) == (0, -signal.SIGABRT)
    assert children() == []


def test_an_error_of_the_user_is_raised_as_it_was_with_the_process_s_traceback() -> None:
    with pytest.raises(InputError, match="no such model") as caught:
        list(run_tasks([refuses], [1]))
    assert "in refuses" in "".join(caught.value.__notes__)


def test_a_bug_is_raised_with_the_process_s_traceback() -> None:
    with pytest.raises(RuntimeError, match="KeyError: 5") as caught:
        list(run_tasks([failing], [5]))
    assert "in fails" in "".join(caught.value.__notes__)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_processes_end_with_a_parent_that_is_killed() -> None:
    code = (
        "from cris.workers import run_tasks\n"
        "from tests.unit.test_workers import sleeping\n"
        "if __name__ == '__main__':\n"
        "    list(run_tasks([sleeping], [600]))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    ends = time.monotonic() + 60
    while Path(f"/proc/{child}").exists() and time.monotonic() < ends:
        time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists()


def sleeping() -> Callable[[int], None]:
    os.write(1, f"{os.getpid()}\n".encode())
    return time.sleep
