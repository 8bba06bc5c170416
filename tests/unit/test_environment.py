import subprocess
from pathlib import Path

import cris
from cris import environment as module
from cris.environment import environment, in_one_line


def test_an_environment_names_versions_device_and_date() -> None:
    found = environment("cpu")
    assert found.keys() == {"date", "cris", "commit", "python", "platform", "torch", "cuda", "device"}
    assert (found["cris"], found["device"], found["cuda"]) == (cris.__version__, "cpu", None)
    assert found["torch"]
    line = in_one_line(found)
    assert "\n" not in line
    assert all(found[name] in line for name in ("cris", "python", "torch", "device", "date"))


def test_the_commit_is_that_of_the_checkout_alone(tmp_path: Path, monkeypatch) -> None:
    package = tmp_path / "src" / "cris"
    package.mkdir(parents=True)
    monkeypatch.setattr(module, "__file__", str(package / "environment.py"))
    assert environment("cpu")["commit"] is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@x"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    commit = environment("cpu")["commit"]
    assert commit is not None
    assert len(commit) == 40
    installed = tmp_path / "venv" / "site-packages" / "cris"  # within somebody's checkout
    installed.mkdir(parents=True)
    monkeypatch.setattr(module, "__file__", str(installed / "environment.py"))
    assert environment("cpu")["commit"] is None
