"""Installed packages that requirements bring, through other packages too."""

from collections.abc import Iterable
from importlib.metadata import Distribution, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


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
                needed_anyway = brought.marker is None or brought.marker.evaluate({"extra": ""})
                if (
                    needed_anyway
                    if not extra
                    else not needed_anyway and brought.marker.evaluate({"extra": extra})
                ):
                    waiting.append(brought)
    return dict(sorted(found.items()))
