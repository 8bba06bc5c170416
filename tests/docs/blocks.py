"""Finds the fenced code blocks of a document and runs them as a reader would, each in a folder of its own."""

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from cris.cli import main

REPOSITORY = Path(__file__).resolve().parents[2]
SHELLS = {"bash", "console", "sh", "shell"}
PROSE = {"bibtex", "mermaid", "text"}
"""Blocks that show something and run nothing."""
SHORTENED = {
    "train": {"--max-steps": "1", "--validation.samples": "8"},
    "eval": {"--limit": "8"},
    "demo": {"--limit": "8"},
}
"""Commands of cris that take minutes or hours as a reader types them, and the options that shorten them."""
LONGEST_S = 300


@dataclass(frozen=True)
class Block:
    line: int
    """Where the block starts, from 1."""
    language: str
    text: str


def fenced_blocks(markdown: str) -> list[Block]:
    """The blocks between ``` or ~~~ fences, in order."""
    blocks: list[Block] = []
    lines = iter(enumerate(markdown.splitlines(), start=1))
    for number, line in lines:
        opening = re.fullmatch(r"( {0,3})(`{3,}|~{3,})\s*([\w+-]*).*", line)
        if opening is None:
            continue
        indent, fence, language = opening.groups()
        body: list[str] = []
        for _, inner in lines:
            if re.fullmatch(rf" {{0,3}}{fence[0]}{{{len(fence)},}}\s*", inner):
                break
            body.append(inner.removeprefix(indent))
        else:
            raise ValueError(f"the block at line {number} is never closed")
        blocks.append(Block(number, language, "\n".join(body)))
    return blocks


def commands(script: str) -> Iterator[str]:
    """The commands of a shell block: prompts and comments dropped, continued lines joined, `a && b` split."""
    for line in script.replace("\\\n", " ").splitlines():
        command = line.strip().removeprefix("$ ")
        if command and not command.startswith("#"):
            yield from (part.strip() for part in command.split("&&"))


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def extras() -> set[str]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return set(project["optional-dependencies"])


def check_make(arguments: list[str]) -> None:
    targets = {argument for argument in arguments if "=" not in argument}
    if unknown := targets - make_targets():
        raise ValueError(f"the Makefile has the targets {sorted(make_targets())}, not {sorted(unknown)}")


def check_pip(arguments: list[str]) -> None:
    """Accepts `install [-e] cris[…]` or `.[…]` with extras that exist, and a constraints file that exists."""
    match arguments:
        case ["install", *rest]:
            arguments = [argument for argument in rest if argument not in ("-e", "-U", "--upgrade")]
        case _:
            raise ValueError(f"expected pip install, got pip {shlex.join(arguments)}")
    if "-c" in arguments:
        at = arguments.index("-c")
        if not (REPOSITORY / arguments[at + 1]).is_file():
            raise ValueError(f"there is no file {arguments[at + 1]}")
        del arguments[at : at + 2]
    (what,) = arguments
    requirement = Requirement(re.sub(r"^\.", "cris", what))
    if requirement.name != "cris" or requirement.extras - extras():
        raise ValueError(f"expected cris with extras out of {sorted(extras())}, got {what}")


def shorten(command: str) -> str:
    """The same command of cris, with less work where it would take hours."""
    words = shlex.split(command)
    if len(words) < 2 or words[1] not in SHORTENED or "--help" in words:
        return command
    for option, value in SHORTENED[words[1]].items():
        without = re.sub(rf" {option}[ =]\S+", "", command)
        command = f"{without} {option} {value}"
    return command


def run(command: list[str], folder: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
    )
    if done.returncode != 0:
        raise ValueError(f"{shlex.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def needs_shell(command: str) -> bool:
    """Whether a shell does more with it than to split it into words."""
    return bool(re.search(r"[|&;<>()$`*?\[~#]", re.sub(r"'[^']*'|\"[^\"$`]*\"", "", command)))


def run_here(arguments: list[str], folder: Path) -> None:
    """Runs a command of cris in this process, as starting another takes longer than most commands."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    if code != 0:
        raise ValueError(f"cris {shlex.join(arguments)} ended with {code}:\n{out.getvalue()}{err.getvalue()}")


def run_python(text: str, folder: Path) -> None:
    """Runs Python in this process, likewise."""
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        try:
            exec(text, {"__name__": "__main__"})
        except Exception as error:
            raise ValueError(traceback.format_exc()) from error


def run_command(command: str, folder: Path) -> None:
    """Runs a command of cris; checks against the repository one that would set it up."""
    match shlex.split(command):
        case ["cris", *_] if not needs_shell(command):
            run_here(shlex.split(shorten(command))[1:], folder)
        case ["cris" | "python", *_]:
            run(["bash", "-euo", "pipefail", "-c", shorten(command)], folder)
        case ["make", *targets]:
            check_make(targets)
        case ["pip", *arguments] | ["python", "-m", "pip", *arguments]:
            check_pip(arguments)
        case ["git", "clone", *_] | ["cd", _]:
            pass
        case _:
            raise ValueError(
                f"no rule says how to check the command {command!r}: add one to {Path(__file__).name}"
            )


def run_block(block: Block, folder: Path) -> None:
    """Does what the block says, in a folder; ValueError when it fails."""
    if block.language == "python":
        run_python(block.text, folder)
    elif block.language in SHELLS:
        for command in commands(block.text):
            run_command(command, folder)
    elif block.language == "json":
        json.loads(block.text)
    elif block.language not in PROSE:
        raise ValueError(f"the block at line {block.line} needs a language, got {block.language!r}")
