"""Completion by the shells themselves, as far as they are here."""

import shutil
import subprocess
from pathlib import Path

import pytest

from cris.cli import COMMANDS, main
from cris.cli.completion import SHELLS
from tests.cli.conftest import Cris
from tests.cli.test_documented import EVERY

ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_cris
printf '%s\\n' "${COMPREPLY[@]}"
"""
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from contextlib import redirect_stdout

    path = tmp_path_factory.mktemp("completion") / "cris.bash"
    with path.open("w") as file, redirect_stdout(file):
        assert main(["--print-completion", "bash"]) == 0
    return path


def completed(script: Path, *words: str) -> set[str]:
    """What bash offers for the last word."""
    asked = ["bash", "-c", ASK, "bash", str(script), "cris", *words]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert not done.stderr
    return set(done.stdout.split())


@needs_bash
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("se",), {"segment", "serve"}),
        (("",), set(COMMANDS)),
        (("data", "s"), {"scenes", "stats"}),
        (("--quiet", "seg"), {"segment"}),
        (("--log-level", "d"), {"debug"}),
        (("--log-level", "debug", "seg"), {"segment"}),
        (("--log-level", "=", "wa"), {"warning"}),
        (("segment", "a.jpg", "data", "--thr"), {"--threshold"}),
        (("serve", "--engine", ""), {"torch", "onnx", "openvino"}),
        (("serve", "--engine", "="), {"torch", "onnx", "openvino"}),
        (("serve", "cris-p"), {"cris-photos"}),
        (("segment", "--model", "cris-s"), {"cris-scenes"}),
        (("demo", "--scenes-model", "cris-s"), {"cris-scenes"}),
        (("convert", "re"), {"released"}),
        (("convert", "imagenet", "cris-"), set()),
        (("convert", "imagenet", "--text", "cris-p"), {"cris-photos"}),
        (("train", "scenes-tiny-f"), {"scenes-tiny-fixed"}),
        (("train", "--optimizer.na"), {"--optimizer.name"}),
        (("train", "--optimizer.name", ""), {"adam", "adamw"}),
        (("--print-completion", ""), set(SHELLS)),
        (("segment", "--out", ""), set()),
        (("segment", "a"), set()),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",  # sets have no order
)
def test_bash_completes(script: Path, words: tuple[str, ...], offered: set[str]) -> None:
    assert completed(script, *words) == offered


@needs_bash
@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_bash_offers_the_options_of_every_command(script: Path, words: tuple[str, ...]) -> None:
    offered = completed(script, *words, "--")
    assert {"--help", "--quiet", "--log-level"} <= offered


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("cris se", {"segment", "serve"}),
        ("cris data s", {"scenes", "stats"}),
        ("cris --quiet seg", {"segment"}),
        ("cris --log-level d", {"debug"}),
        ("cris serve --engine ", {"torch", "onnx", "openvino"}),
        ("cris serve cris-p", {"cris-photos"}),
        ("cris segment --thr", {"--threshold"}),
        ("cris train --optimizer.name ", {"adam", "adamw"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # sets have no order
)
def test_fish_completes(line: str, offered: set[str], cris: Cris, tmp_path: Path) -> None:
    (tmp_path / "cris.fish").write_text(cris("--print-completion", "fish").out)
    asked = ["fish", "-c", f"source {tmp_path / 'cris.fish'}; complete -C '{line}'"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert not done.stderr
    assert {each.partition("\t")[0] for each in done.stdout.splitlines()} == offered


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_are_syntax_of_their_shells(shell: str, cris: Cris, tmp_path: Path) -> None:
    outcome = cris("--print-completion", shell)
    assert (outcome.code, outcome.err) == (0, "")
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    path = tmp_path / "script"
    path.write_text(outcome.out)
    subprocess.run([shell, "-n", str(path)], check=True)


@pytest.mark.parametrize("words", [(), ("tcsh",)])
def test_another_shell_is_refused(words: tuple[str, ...], cris: Cris) -> None:
    outcome = cris("--print-completion", *words)
    assert outcome.is_short_error(2)
    assert "must be one of bash, zsh, fish" in outcome.err
