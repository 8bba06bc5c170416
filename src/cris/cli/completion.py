"""Scripts for bash, zsh and fish that complete commands, their parts, options and choices."""

import importlib
import io
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass

from cris import __version__
from cris.cli.errors import UsageError
from cris.cli.verbosity import LEVELS, OPTIONS

SHELLS = ("bash", "zsh", "fish")
_OPTION = re.compile(r"^[│ ] (--[a-z][\w.-]*)(?: (\S.*?))?(?: {2}|\s*│?$)", flags=re.MULTILINE)
"""Line of a help that begins an option: its name, then what its values are."""
_PARTS = re.compile(r"^usage: .*\{([\w,]+)\}", flags=re.MULTILINE)
_DEVICES = ("auto", "cpu", "cuda", "mps")
_ZSH = """#compdef cris
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
autoload -Uz bashcompinit && bashcompinit
"""
"""Beginning for zsh, whose own completion may not have been started by ~/.zshrc."""


@dataclass(frozen=True)
class Completion:
    """Completions of one command."""

    words: str
    """Words of the command after the program; empty for the program itself."""
    commands: Mapping[str, str]
    """Commands, or parts of one, and their purposes."""
    options: Mapping[str, tuple[str, ...] | None]
    """Option → its choices, of which there may be none; None for a flag."""
    values: tuple[str, ...] = ()
    """Choices for what is no option."""


Run = Callable[[Sequence[str]], int]
"""The program as a function of its arguments."""


def print_completion(shell: str, option: str, commands: Mapping[str, str], run: Run) -> int:
    """Print the script for a shell.

    Args:
        shell: its name.
        option: option of the program that prints this.
        commands: commands of the program, and their purposes.
        run: the program.
    """
    if shell not in SHELLS:
        raise UsageError(f"{option} must be one of {', '.join(SHELLS)}, got {shell or 'nothing'!r}")
    shared = {"--quiet": None, "--log-level": LEVELS, "--help": None}
    assert OPTIONS.keys() < shared.keys()
    program = Completion("", commands, {**shared, "--version": None, option: SHELLS})
    known = [program, *_of_commands(commands, (), shared, run)]
    sys.stdout.write(_fish(known) if shell == "fish" else _bash(known, is_zsh=shell == "zsh"))
    return 0


def _of_commands(
    commands: Mapping[str, str],
    within: tuple[str, ...],
    shared: Mapping[str, tuple[str, ...] | None],
    run: Run,
) -> Iterator[Completion]:
    """Yield what the parsers know, read from their helps, as that is what they promise."""
    for name in commands:
        words = (*within, name)
        module = importlib.import_module(".".join(("cris.cli", *words)))
        if hasattr(module, "COMMANDS"):
            yield Completion(" ".join(words), module.COMMANDS, shared)
            yield from _of_commands(module.COMMANDS, words, shared, run)
            continue
        help = _help(words, run)
        parts = found[1].split(",") if (found := _PARTS.search(help)) else []
        yield Completion(
            " ".join(words), dict.fromkeys(parts, ""), {**_options(help), **shared}, _values(words, help)
        )
        for part in parts:
            told = _help((*words, part), run)
            yield Completion(" ".join((*words, part)), {}, {**_options(told), **shared}, _values((), told))


def _help(words: tuple[str, ...], run: Run) -> str:
    said = io.StringIO()
    with redirect_stdout(said):
        run([*words, "--help"])
    return said.getvalue()


def _options(help: str) -> dict[str, tuple[str, ...] | None]:
    found = {}
    for name, metavar in _OPTION.findall(help):
        choices = re.search(r"\{([\w.,-]+)\}", metavar)
        listed = tuple(each for each in choices[1].split(",") if each != "None") if choices else ()
        if name in ("--model", "--scenes-model") or metavar.startswith("MODEL"):
            listed = _models()
        elif name == "--device" and not listed:
            listed = _DEVICES
        found[name] = listed if metavar else None
    return found


def _values(words: tuple[str, ...], help: str) -> tuple[str, ...]:
    """Return the names that the first argument may have: recipes and models."""
    if words == ("train",):
        from cris.training.recipes import RECIPES

        return tuple(RECIPES)
    # not that of an option, as in [--text MODEL]
    return _models() if re.search(r"^usage: .*[^a-z] MODEL\b", help, flags=re.MULTILINE) else ()


def _models() -> tuple[str, ...]:
    from cris.registry import ENTRIES

    return tuple(entry.name for entry in ENTRIES if entry.kind == "model")


def _bash(known: list[Completion], *, is_zsh: bool) -> str:
    """Return a script for bash; zsh runs it, too, with its own bashcompinit."""
    paths = "|".join(f'"{each.words}"' for each in known if each.words)
    words, values, choices = [], [], []
    for each in known:
        listed = [*each.commands, *each.options]
        words.append(f'"{each.words}") known={shlex.quote(" ".join(listed))} ;;')
        if each.values:
            values.append(f'"{each.words}") values={shlex.quote(" ".join(each.values))} ;;')
        for option, allowed in each.options.items():
            if allowed is not None:
                choices.append(f'"{each.words} {option}") choices={shlex.quote(" ".join(allowed))} ;;')
    head = _ZSH if is_zsh else ""
    shell = "zsh" if is_zsh else "bash"
    indent = "\n        "
    return f"""{head}# completion of cris {__version__}, made by: cris --print-completion {shell}
_cris() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}"
    local path="" known="" values="" choices="-" each="" i
    COMPREPLY=()
    if [ "$word" = "=" ]; then  # of --option=value, which are three words
        word=""
    elif [ "$before" = "=" ] && [ "$COMP_CWORD" -gt 2 ]; then
        before="${{COMP_WORDS[COMP_CWORD-2]}}"
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        each="${{COMP_WORDS[i]}}"
        case "${{path:+$path }}$each" in
        {paths}) path="${{path:+$path }}$each" ;;
        esac
    done
    case "$path" in
        {indent.join(words)}
    esac
    case "$path" in
        {indent.join(values)}
    esac
    case "$path $before" in
        {indent.join(_shortened(choices))}
    esac
    if [ "$choices" != "-" ]; then  # without any: files, by -o default
        COMPREPLY=($(compgen -W "$choices" -- "$word"))
    elif [ "${{word#-}}" != "$word" ]; then
        COMPREPLY=($(compgen -W "$known" -- "$word"))
    else
        for each in $known; do
            [ "${{each#-}}" = "$each" ] && values="$values $each"
        done
        COMPREPLY=($(compgen -W "$values" -- "$word"))
    fi
}}
complete -o default -F _cris cris
"""


def _shortened(lines: list[str]) -> list[str]:
    """Return the branches with those that do the same as one."""
    branches: dict[str, list[str]] = {}
    for line in lines:
        pattern, _, action = line.partition(") ")
        branches.setdefault(action, []).append(pattern)
    return [f"{'|'.join(patterns)}) {action}" for action, patterns in branches.items()]


def _fish(known: list[Completion]) -> str:
    paths = " ".join(shlex.quote(each.words) for each in known if each.words)
    lines = [
        f"# completion of cris {__version__}, made by: cris --print-completion fish",
        "function __cris_at",
        "    set -l path",
        "    for word in (commandline -opc)[2..-1]",
        f"        if contains -- (string join -- ' ' $path $word) {paths}",
        "            set path $path $word",
        "        end",
        "    end",
        '    test "$path" = "$argv[1]"',  # quoted, a list is its words with blanks between
        "end",
    ]
    for each in known:
        at = f"complete -c cris -n {_fish_word(f'__cris_at {_fish_word(each.words)}')}"
        lines += [f"{at} -f -a {name} -d {_fish_word(use)}" for name, use in each.commands.items()]
        if each.values:
            lines.append(f"{at} -a {_fish_word(' '.join(each.values))}")
        for option, choices in each.options.items():
            value = "" if choices is None else f" -x -a {_fish_word(' '.join(choices))}" if choices else " -r"
            lines.append(f"{at} -l {option[2:]}{value}")
    return "\n".join(lines) + "\n"


def _fish_word(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
