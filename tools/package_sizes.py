"""Print the size of the wheel, and of installs with each extra, as a table for docs/install.md.

    python -m tools.package_sizes dist > sizes.md
    python -m tools.fill_figures --table install=sizes.md

Counted is what lies on disk in this environment, of the package and of all that it and the extra require,
with the compiled files: what `du` shows of a fresh environment, but for pip.
"""

import argparse
from functools import cache
from importlib.metadata import distribution, version
from pathlib import Path

from packaging.requirements import Requirement

from tools.package_check import ROOT
from tools.requirements import extras, installed

MEGA = 1e6
LEFT_OUT = {"base", "dev", "docs"}
"""Not extras of users."""


@cache
def bytes_on_disk(name: str) -> int:
    """Return the size of an installed package's files, links and what is missing left out."""
    package = distribution(name)
    paths = (Path(str(package.locate_file(file))) for file in package.files or [])
    return sum(path.stat().st_size for path in paths if path.is_file())


def table(wheel: Path, source: Path) -> str:
    """Return the sizes of the archives and of installs."""
    required = extras()
    base = _sizes(required["base"])
    total = sum(base.values()) + sum(
        path.stat().st_size for path in (ROOT / "src").rglob("*") if path.is_file()
    )
    archives = [f"{path.stat().st_size / MEGA:.0f} MB" for path in (wheel, source)]
    lines = [
        f"The wheel has {archives[0]}, the source archive {archives[1]}.",
        "",
        "| install | packages | MB on disk | most of it |",
        "|---|---|---|---|",
        f"| `cris` | {len(base) + 1} | {total / MEGA:,.0f} | {_largest(base)} |",
    ]
    for extra in sorted(required.keys() - LEFT_OUT):
        more = {name: size for name, size in _sizes(required[extra]).items() if name not in base}
        lines.append(
            f"| `cris[{extra}]` | + {len(more)} | + {sum(more.values()) / MEGA:,.0f} | {_largest(more)} |"
        )
    lines += ["", f"Measured with torch {version('torch')} on Linux, in the versions of `constraints.txt`."]
    return "\n".join(lines)


def _sizes(requirements: list[Requirement]) -> dict[str, int]:
    return {name: bytes_on_disk(name) for name in installed(requirements)}


def _largest(sizes: dict[str, int]) -> str:
    """Return the two largest packages and their sizes."""
    largest = sorted(sizes, key=sizes.__getitem__, reverse=True)[:2]
    return ", ".join(f"{name} {sizes[name] / MEGA:,.0f}" for name in largest)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dist", type=Path, help="folder with the wheel and the source archive")
    dist = parser.parse_args().dist
    ((wheel, source),) = zip(dist.glob("*.whl"), dist.glob("*.tar.gz"), strict=True)
    print(table(wheel, source))


if __name__ == "__main__":
    main()
