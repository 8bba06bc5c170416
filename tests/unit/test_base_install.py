"""What is left out of the tests of a base install is there, and is all that plainly needs an extra."""

import ast
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from tests.fixtures.base_install import CHECKOUT, EXTRAS, TESTS, is_left_out
from tools.package_try import TEST_TOOLS
from tools.requirements import extras, installed

OURS = {"cris", "tests", "benchmarks", "tools"}


@cache
def files_of(module: str) -> list[Path]:
    """Files of ours that importing a module runs: its own, and those of the packages that it is in."""
    parts = module.split(".")
    roots = (TESTS.parent, TESTS.parent / "src")
    stems = [root.joinpath(*parts[:length]) for root in roots for length in range(1, len(parts) + 1)]
    return [
        file for stem in stems for file in (stem.with_suffix(".py"), stem / "__init__.py") if file.is_file()
    ]


@cache
def modules_in(path: Path) -> list[str]:
    """Modules that a file imports at its top."""
    names: list[str] = []
    for node in ast.iter_child_nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


@cache
def packages_of(path: Path) -> frozenset[str]:
    """Packages of others that a file imports at its top, through other files of ours, too."""
    found: set[str] = set()
    seen: set[Path] = set()
    waiting = [path]
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            for module in modules_in(file):
                top = module.partition(".")[0]
                waiting += files_of(module) if top in OURS else []
                found |= {top} - OURS
    return frozenset(found)


def test_all_that_is_left_out_exists() -> None:
    for name in CHECKOUT + EXTRAS:
        path, _, test = name.partition("::")
        assert (TESTS / path).exists(), name
        assert f"def {test.partition('[')[0]}" in (TESTS / path).read_text() if test else True, name


def test_what_imports_more_than_a_base_install_has_is_left_out() -> None:
    base = installed([*extras()["base"], *TEST_TOOLS])
    modules = {
        name
        for name, packages in packages_distributions().items()
        if base.keys() & set(map(canonicalize_name, packages))
    }
    there = modules | set(sys.stdlib_module_names)
    missing = {
        str(path.relative_to(TESTS)): sorted(packages_of(path) - there)
        for path in TESTS.rglob("test_*.py")
        if not is_left_out(path) and not packages_of(path) <= there
    }
    assert missing == {}
