"""One process at a time writes to a folder."""

import subprocess
import sys

import pytest

from cris.errors import InputError
from cris.lock import locked

OTHER = """
import sys
from pathlib import Path
from cris.errors import InputError
from cris.lock import locked
try:
    with locked(Path(sys.argv[1]), hint="choose another"):
        sys.exit(0)
except InputError as error:
    sys.exit(str(error))
"""


def test_another_process_is_refused_until_the_first_is_done(tmp_path):
    def other() -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", OTHER, str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    with locked(tmp_path):
        done = other()
        assert (done.returncode, done.stderr.strip()) == (
            1,
            f"another process is writing to {tmp_path}: choose another",
        )
    assert other().returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_a_folder_left_empty_goes_away_again(tmp_path):
    with pytest.raises(InputError, match="no"), locked(tmp_path / "new"):
        raise InputError("no")
    assert not (tmp_path / "new").exists()
    with locked(tmp_path / "kept"):
        (tmp_path / "kept" / "a").touch()
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["a"]
