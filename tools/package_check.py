"""Check the wheel and the source archive: contents, sizes, licences, version.

    python -m tools.package_check dist [--tag v0.2.0]

With a tag, the version must be the tag's, and the changelog and CITATION.cff must name it.
"""

import argparse
import email
import re
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

from packaging.utils import parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from tools import changelog

ROOT = Path(__file__).resolve().parents[1]
CODE = {".py", ".html", ".css", ".js", ".jinja", ".md", ".typed"}
"""Suffixes of what is written for the package."""
DATA = {".safetensors", ".json", ".jpg"}
"""Suffixes of what may be of others: NOTICE must name each such file, or a folder that it is in."""
METADATA = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "licenses/NOTICE"}
SOURCE_FOLDERS = {"src", "tests"}
SOURCE_FILES = {
    *(
        ".gitignore",
        "CHANGELOG.md",
        "CITATION.cff",
        "LICENSE",
        "NOTICE",
        "PKG-INFO",
        "README.md",
        "pyproject.toml",
    ),
}
LARGEST = 48_000_000
"""Most bytes of the wheel, and of the source archive; the index takes 100 MB."""
MODELS = {"cris-photos": 40_000_000, "cris-scenes": 16_000_000}
"""Models in the package → most bytes of each."""
PHOTOGRAPHS = "cris/demo/photographs"


def problems(dist: Path, tag: str | None = None) -> list[str]:
    """Return all that keeps the two archives in a folder from being released, one line each."""
    wheels, archives = sorted(dist.glob("*.whl")), sorted(dist.glob("*.tar.gz"))
    if len(wheels) != 1 or len(archives) != 1:
        return [f"{dist}: expected one wheel and one source archive, got {len(wheels)} and {len(archives)}"]
    (wheel,), (archive,) = wheels, archives
    version = parse_wheel_filename(wheel.name)[1]
    found = [
        f"{path.name}: must have at most {LARGEST:,} bytes, has {size:,}"
        for path in (wheel, archive)
        if (size := path.stat().st_size) > LARGEST
    ]
    if (other := parse_sdist_filename(archive.name)[1]) != version:
        found.append(f"the wheel is of version {version}, the source archive of {other}")
    with zipfile.ZipFile(wheel) as opened:
        sizes = {each.filename: each.file_size for each in opened.infolist()}
        found += [
            *_wheel_contents(sizes, f"cris-{version}.dist-info"),
            *_licences(opened, f"cris-{version}.dist-info"),
        ]
    with tarfile.open(archive) as opened_archive:
        names = {each.name.partition("/")[2] for each in opened_archive.getmembers() if not each.isdir()}
    found += _source_contents(names, {name for name in sizes if name.startswith("cris/")})
    return found if tag is None else found + _tagged(version, tag)


def _wheel_contents(sizes: dict[str, int], metadata: str) -> list[str]:
    found = []
    for name in sizes:
        top, _, inner = name.partition("/")
        is_ours = top == "cris" and PurePosixPath(name).suffix in CODE | DATA
        if not is_ours and not (top == metadata and inner in METADATA):
            found.append(f"wheel: {name} does not belong there")
    held = {name.split("/")[2] for name in sizes if name.startswith("cris/models/")}
    if held != set(MODELS):
        found.append(f"wheel: expected the models {sorted(MODELS)}, got {sorted(held)}")
    for model, most in MODELS.items():
        total = sum(size for name, size in sizes.items() if name.startswith(f"cris/models/{model}/"))
        if total > most:
            found.append(f"wheel: {model} must have at most {most:,} bytes, has {total:,}")
    return found


def _licences(wheel: zipfile.ZipFile, metadata: str) -> list[str]:
    """Return what is wrong with the licence of the whole, and each file that no notice covers."""
    names = wheel.namelist()
    found = [f"wheel: {name} is missing" for name in METADATA if f"{metadata}/{name}" not in names]
    if found:
        return found
    headers = email.message_from_bytes(wheel.read(f"{metadata}/METADATA"))
    if headers["License-Expression"] != "Apache-2.0":
        found.append(f"wheel: the licence must be Apache-2.0, got {headers['License-Expression']}")
    notice = wheel.read(f"{metadata}/licenses/NOTICE").decode()
    named = {path.rstrip("/.") for path in re.findall(r"src/(cris/[\w/.-]+)", notice)}
    credits = wheel.read(f"{PHOTOGRAPHS}/NOTICE.md").decode()
    for name in names:
        path = PurePosixPath(name)
        is_data = name.startswith("cris/") and path.suffix not in CODE
        if is_data and not named & {name, *map(str, path.parents)}:
            found.append(f"wheel: NOTICE does not say where src/{name} is from, and under which licence")
        if path.suffix == ".jpg" and path.name not in credits:
            found.append(f"wheel: {PHOTOGRAPHS}/NOTICE.md does not credit {path.name}")
    return found


def _source_contents(names: set[str], package: set[str]) -> list[str]:
    strange = {
        name for name in names if name not in SOURCE_FILES and name.split("/")[0] not in SOURCE_FOLDERS
    }
    missing = (SOURCE_FILES | {f"src/{name}" for name in package}) - names
    return [
        *(f"source archive: {name} does not belong there" for name in sorted(strange)),
        *(f"source archive: {name} is missing" for name in sorted(missing)),
    ]


def _tagged(version: Version, tag: str) -> list[str]:
    found = (
        []
        if tag == f"v{version}"
        else [f"the tag is {tag}, the version {version}: build from the tag's commit"]
    )
    newest = changelog.read(changelog.CHANGELOG.read_text(encoding="utf-8"))[1].version
    if newest != str(version):
        found.append(f"the newest version in CHANGELOG.md must be {version}, is {newest}")
    if f"\nversion: {version}\n" not in (ROOT / "CITATION.cff").read_text(encoding="utf-8"):
        found.append(f"CITATION.cff must have 'version: {version}'")
    return found


def main() -> None:
    """Print what is wrong with a folder's archives, and fail if anything is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dist", type=Path)
    parser.add_argument("--tag")
    options = parser.parse_args()
    if found := problems(options.dist, options.tag):
        raise SystemExit("\n".join(found))
    for path in sorted(options.dist.iterdir()):
        print(f"{path.name}  {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
