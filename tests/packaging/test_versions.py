"""One version everywhere, and every library pinned for a build that repeats."""

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import cris
from cris.cli.errors import EXTRAS
from tools.changelog import CHANGELOG, read

REPOSITORY = Path(__file__).resolve().parents[2]


def project() -> dict[str, list[str]]:
    """Extra (or "base") → what it requires."""
    table = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {"base": table["dependencies"], **table["optional-dependencies"]}


def pins() -> dict[str, str]:
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def test_citation_names_the_newest_version_of_the_changelog() -> None:
    citation = (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    newest = read(CHANGELOG.read_text(encoding="utf-8"))[1]
    assert f"\nversion: {newest.version}\n" in citation


def test_version_is_that_of_the_installed_package() -> None:
    assert cris.__version__ == version("cris")


def test_version_of_files_that_nobody_installed_is_unknown(tmp_path: Path) -> None:
    for name in ("__init__.py", "version.py"):
        copy = tmp_path / "cris" / name
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes((Path(cris.__file__).parent / name).read_bytes())
    command = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        "import sys; sys.path.insert(0, '.'); import cris; print(cris.__version__)",
    ]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout == "0+unknown\n"


@pytest.mark.parametrize(
    ("tags", "depth", "expected"),
    [
        (["v0.2.0"], [], "0.2.0"),
        (["v0.2.0", "some-name"], [], "0.2.0"),
        ([], [], "0.0.1.dev1"),
        (["v0.2.0"], ["--depth", "1"], "0.2.0"),
        ([], ["--depth", "1"], "0.0.1.dev1"),
    ],
    ids=["tag", "tag beside others", "no tag", "shallow clone with its tag", "shallow clone"],
)
def test_version_is_the_tag_s(tags: list[str], depth: list[str], expected: str, tmp_path: Path) -> None:
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    origin.mkdir()
    git = ["git", "-C", str(origin), "-c", "user.name=A", "-c", "user.email=a@b.c"]
    for arguments in (
        ["init", "-q"],
        ["commit", "-q", "--allow-empty", "-m", "first"],
        *(["tag", tag] for tag in tags),
    ):
        subprocess.run([*git, *arguments], check=True)
    subprocess.run(["git", "clone", "-q", *depth, origin.as_uri(), clone], check=True)
    assert built_version(clone) == expected


def test_version_without_git_is_that_of_the_source_archive_or_none(tmp_path: Path) -> None:
    assert built_version(tmp_path) == "0.0.0"
    (tmp_path / "PKG-INFO").write_text("Metadata-Version: 2.4\nName: cris\nVersion: 0.3.1\n")
    assert built_version(tmp_path) == "0.3.1"


def built_version(folder: Path) -> str:
    """Version that a build in this folder has, with our pyproject.toml."""
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        (folder / name).write_bytes((REPOSITORY / name).read_bytes())
    command = [sys.executable, "-W", "ignore", "-m", "hatchling", "metadata", "version"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


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
