"""One version everywhere, and every library pinned for a build that repeats."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import cris
from cris.cli.errors import EXTRAS

REPOSITORY = Path(__file__).resolve().parents[2]


def project() -> dict[str, list[str]]:
    """Extra (or "base") → what it requires."""
    table = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {"base": table["dependencies"], **table["optional-dependencies"]}


def pins() -> dict[str, str]:
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def test_citation_and_changelog_name_this_version() -> None:
    citation = (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\nversion: {cris.__version__}\n" in citation
    assert re.findall(r"^## \[(\d\S*)\]", changelog, re.MULTILINE)[0] == cris.__version__


def test_torch_is_pinned_first() -> None:
    assert next(iter(pins().items())) == ("torch", "2.13.0")


@pytest.mark.parametrize("extra", project())
def test_every_direct_dependency_is_pinned_within_its_bounds(extra: str) -> None:
    pinned = pins()
    for requirement in map(Requirement, project()[extra]):
        if requirement.name != "cris":
            assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), requirement


def test_every_extra_but_dev_is_part_of_dev() -> None:
    (ours,) = [Requirement(line) for line in project()["dev"] if line.startswith("cris[")]
    assert ours.extras == project().keys() - {"base", "dev"}


def brought_by(extra: str) -> set[str]:
    """Names of the packages that an extra brings, through other extras of ours too."""
    listed = [Requirement(line) for line in project()[extra]]
    ours = [name for requirement in listed if requirement.name == "cris" for name in requirement.extras]
    return {canonicalize_name(each.name) for each in listed}.union(*map(brought_by, ours))


@pytest.mark.parametrize("package", sorted(EXTRAS.keys() - {"onnx_ir"}))  # onnxscript brings that
def test_extras_that_errors_name_bring_the_package(package: str) -> None:
    assert all(canonicalize_name(package) in brought_by(extra) for extra in EXTRAS[package])
