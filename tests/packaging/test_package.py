"""What is released: checked, the same bytes from each clone, with a bill of materials."""

import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import jsonschema_rs
import pytest

from tests.fixtures.plugin import Proof
from tests.packaging.conftest import REPOSITORY
from tools.package_build import build_from_clones
from tools.package_check import problems
from tools.package_sbom import EMBEDDED, write_sbom
from tools.package_sizes import LEFT_OUT, table
from tools.requirements import extras

Change = Callable[[dict[str, bytes]], None]
PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "small"
version = "1"
requires-python = ">=3"
[tool.hatch.build.targets.wheel]
include = ["small"]
[tool.hatch.build.targets.sdist.hooks.custom]
"""
HOOK = """
from pathlib import Path
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
class Hook(BuildHookInterface):
    def initialize(self, version, build_data):
        Path(self.root, "small", "made.py").write_text({made})
"""


@pytest.fixture(scope="module")
def light(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archives without the weights, which are quick to write again."""
    folder = tmp_path_factory.mktemp("light")
    ((source, wheel),) = zip(built.glob("*.tar.gz"), built.glob("*.whl"), strict=True)
    with zipfile.ZipFile(wheel) as archive, zipfile.ZipFile(folder / wheel.name, "w") as into:
        for name in archive.namelist():
            into.writestr(name, b"" if name.endswith(".safetensors") else archive.read(name))
    with tarfile.open(source) as archive, tarfile.open(folder / source.name, "w:gz") as into:
        for name in archive.getnames():
            into.addfile(tarfile.TarInfo(name))
    return folder


def rewritten(light: Path, folder: Path, change: Change) -> Path:
    """A folder with the archives, the wheel's files changed."""
    shutil.copytree(light, folder)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return folder


def without(text: str) -> Change:
    """Takes some words out of NOTICE."""

    def change(files: dict[str, bytes]) -> None:
        (name,) = [name for name in files if name.endswith("/NOTICE")]
        files[name] = files[name].replace(text.encode(), b"")

    return change


def test_what_is_built_here_can_be_released(built: Path) -> None:
    assert problems(built) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda files: files.update({"tests/test_a.py": b""}),
            "wheel: tests/test_a.py does not belong there",
        ),
        (lambda files: files.update({"cris/run.log": b""}), "wheel: cris/run.log does not belong there"),
        (
            lambda files: files.update({"cris/models/cris-huge/README.md": b""}),
            "wheel: expected the models ['cris-photos', 'cris-scenes'], got ['cris-huge', 'cris-photos'",
        ),
        (
            lambda files: files.update({"cris/models/cris-scenes/more.json": b"0" * 20_000_000}),
            "wheel: cris-scenes must have at most 16,000,000 bytes, has 20,",
        ),
        (
            lambda files: files.update({"cris/demo/photographs/mine.jpg": b""}),
            "wheel: cris/demo/photographs/NOTICE.md does not credit mine.jpg",
        ),
        (
            without("src/cris/model/assets/tokenizer.json"),
            "wheel: NOTICE does not say where src/cris/model/assets/tokenizer.json is from",
        ),
        (
            lambda files: files.update({"cris/new.json": b"{}"}),
            "wheel: NOTICE does not say where src/cris/new.json",
        ),
    ],
    ids=["tests", "a log", "another model", "a larger model", "a photograph", "no notice", "new data"],
)
def test_what_does_not_belong_in_a_wheel_is_told(
    change: Change, told: str, light: Path, tmp_path: Path
) -> None:
    found = problems(rewritten(light, tmp_path / "dist", change))
    assert any(each.startswith(told) for each in found), found


def test_what_is_missing_in_a_source_archive_is_told(light: Path, tmp_path: Path) -> None:
    dist = rewritten(light, tmp_path / "dist", lambda files: files.update({"cris/new.py": b""}))
    assert problems(dist) == ["source archive: src/cris/new.py is missing"]


def test_two_versions_beside_each_other_are_told(light: Path, tmp_path: Path) -> None:
    dist = shutil.copytree(light, tmp_path / "dist")
    (archive,) = dist.glob("*.tar.gz")
    archive.rename(dist / "cris-9.0.tar.gz")
    assert any("the source archive of 9.0" in each for each in problems(dist))
    (dist / "cris-9.0.tar.gz").unlink()
    assert problems(dist) == [f"{dist}: expected one wheel and one source archive, got 1 and 0"]


def test_a_tag_that_is_not_the_version_s_is_told(light: Path) -> None:
    found = problems(light, "v77.0")
    assert any(each.startswith("the tag is v77.0, the version ") for each in found)


def commit(folder: Path) -> None:
    git = ["git", "-C", str(folder), "-c", "user.name=A", "-c", "user.email=a@b.c"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *arguments], check=True)


@pytest.mark.parametrize(
    ("made", "is_same"), [("'x = 1'", True), ("__import__('secrets').token_hex()", False)]
)
def test_two_builds_that_differ_are_refused(made: str, is_same: bool, tmp_path: Path) -> None:
    source = tmp_path / "small"
    (source / "small").mkdir(parents=True)
    (source / "small" / "__init__.py").touch()
    (source / "pyproject.toml").write_text(PYPROJECT)
    (source / "hatch_build.py").write_text(HOOK.format(made=made))
    commit(source)
    if is_same:
        names = [path.name for path in build_from_clones(source, tmp_path / "out")]
        assert names == ["small-1-py3-none-any.whl", "small-1.tar.gz"]
    else:
        with pytest.raises(SystemExit, match="two builds of one commit must be equal"):
            build_from_clones(source, tmp_path / "out")


def test_two_clones_give_the_same_bytes(prove: Proof, tmp_path: Path) -> None:
    if not prove.is_full:
        pytest.skip("two builds of the whole package: make prove, and make release")
    dist = tmp_path / "dist"
    subprocess.run([sys.executable, "-m", "tools.package_build", dist], cwd=REPOSITORY, check=True)
    for path in sorted(dist.glob("cris-*")):
        prove.figure(f"{path.suffix.removeprefix('.')}, bytes", f"{path.stat().st_size:,}")


def cyclonedx_validator() -> jsonschema_rs.Draft7Validator:
    """Checks against CycloneDX's strict schema, formats included."""
    names = [f"{name}.SNAPSHOT.schema.json" for name in ("bom-1.6", "spdx", "jsf-0.82", "cryptography-defs")]
    folder = resources.files("cyclonedx.schema._res")
    schemas = [json.loads((folder / name).read_text(encoding="utf-8")) for name in names]
    base = schemas[0]["$id"].rpartition("/")[0]  # by which the schemas name each other
    registry = jsonschema_rs.Registry(
        [(f"{base}/{name}", each) for name, each in zip(names, schemas, strict=True)]
    )
    return jsonschema_rs.Draft7Validator(schemas[0], registry=registry, validate_formats=True)


def test_bill_of_materials_lists_what_is_inside_and_what_is_brought(wheel: Path, tmp_path: Path) -> None:
    path = write_sbom(wheel, tmp_path)
    text = path.read_text(encoding="utf-8")
    bom = json.loads(text)
    validator = cyclonedx_validator()
    assert [error.message for error in validator.iter_errors(bom)] == []
    assert not validator.is_valid(bom | {"metadata": bom["metadata"] | {"timestamp": "yesterday"}})
    assert not validator.is_valid(bom | {"of our own": 1})
    assert {"torch", "numpy", "sympy"} <= {each["name"] for each in bom["components"]}
    assert "pytest" not in text
    assert {each["name"] for each in bom["metadata"]["component"]["components"]} == set(EMBEDDED)
    assert all(each["licenses"] for each in bom["components"])
    assert write_sbom(wheel, tmp_path).read_text(encoding="utf-8") == text


def test_bill_of_materials_has_every_work_that_may_be_of_others(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        works = [
            name for name in archive.namelist() if name.endswith((".safetensors", ".jpg", "tokenizer.json"))
        ]
    assert [name for name in works if not name.startswith(tuple(EMBEDDED))] == []


def test_sizes_are_told_for_each_extra(built: Path) -> None:
    ((wheel, source),) = zip(built.glob("*.whl"), built.glob("*.tar.gz"), strict=True)
    told = table(wheel, source)
    base = re.findall(r"\| `cris` \| \d+ \| ([\d,]+) \| torch ", told)
    assert int(base[0].replace(",", "")) > 500
    assert re.findall(r"`cris\[(\w+)\]`", told) == sorted(extras().keys() - LEFT_OUT)
