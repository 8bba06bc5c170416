"""Installed packages that requirements bring, through other packages too."""

import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]


def installed(requirements: Iterable[str | Requirement]) -> dict[str, Distribution]:
    """Return what the requirements bring in this environment: canonical name → installed package, by name."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [Requirement(str(each)) for each in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras}:
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            found.setdefault(name, distribution(name))
            for line in found[name].requires or []:
                brought = Requirement(line)
                marker = brought.marker
                is_base = marker is None or marker.evaluate({"extra": ""})
                is_extra = marker is not None and not is_base and marker.evaluate({"extra": extra})
                if is_extra if extra else is_base:
                    waiting.append(brought)
    return dict(sorted(found.items()))


def extras() -> dict[str, list[Requirement]]:
    """Return what each extra requires, through our other extras too, and "base" without any."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = {"base": project["dependencies"], **project["optional-dependencies"]}

    def expanded(extra: str) -> list[Requirement]:
        listed = list(map(Requirement, lines[extra]))
        ours = sorted({name for each in listed if each.name == "cris" for name in each.extras})
        return [each for each in listed if each.name != "cris"] + [
            one for name in ours for one in expanded(name)
        ]

    return {extra: expanded(extra) for extra in lines}
