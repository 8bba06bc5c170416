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
def imports(path: Path) -> frozenset[str]:
    """Packages that a file of tests imports at its top, through other files of ours, too."""
    found: set[str] = set()
    for node in ast.iter_child_nodes(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            file = TESTS.parent / f"{name.replace('.', '/')}.py"
            found |= imports(file) if file.is_file() and file != path else {name.partition(".")[0]}
    return frozenset(found - OURS)


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
        str(path.relative_to(TESTS)): sorted(imports(path) - there)
        for path in TESTS.rglob("test_*.py")
        if not is_left_out(path) and not imports(path) <= there
    }
    assert missing == {}
