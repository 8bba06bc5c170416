"""Build what is released, from the commit that is checked out, with an SBOM and checksums.

    python -m tools.package_build dist [--release]

Each of two fresh clones gives a wheel and a source archive; they must be equal, and pass tools.package_check.
With --release the commit must have the tag of its version, vX.Y.Z.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from cris.files import sha256_of
from tools.package_check import ROOT, problems
from tools.package_sbom import write_sbom


def build(clone: Path, out: Path) -> list[Path]:
    """Build a source archive, and the wheel from that, dated as the commit; return their paths."""
    dated = {"SOURCE_DATE_EPOCH": _git("-C", str(clone), "log", "-1", "--format=%ct")}
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(clone)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **dated})
    if done.returncode:
        raise SystemExit(f"{clone} does not build:\n{done.stdout}{done.stderr}")
    return sorted(out.iterdir())


def build_from_clones(repository: Path, out: Path) -> list[Path]:
    """Build from two clones, compare byte by byte, and return the archives that are left in `out`."""
    with tempfile.TemporaryDirectory() as temporary:
        built = []
        for number, into in enumerate((out, Path(temporary) / "again")):
            clone = Path(temporary) / f"clone-{number}"
            _git("clone", "--quiet", str(repository), str(clone))
            built.append(build(clone, into))
        for ours, again in zip(*built, strict=True):
            if ours.name != again.name or ours.read_bytes() != again.read_bytes():
                raise SystemExit(
                    f"two builds of one commit must be equal, {ours.name} and {again.name} are not"
                )
    return built[0]


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Build, check, and write what goes beside the archives."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder to write, which must be empty or not there")
    parser.add_argument("--release", action="store_true")
    options = parser.parse_args()
    if options.out.exists() and any(options.out.iterdir()):
        raise SystemExit(f"{options.out} must be empty: `make clean` empties it")
    tags = _git("-C", str(ROOT), "tag", "--points-at", "HEAD", "--list", "v*").split()
    if options.release and len(tags) != 1:
        raise SystemExit(
            f"a release needs one tag vX.Y.Z on its commit, got {tags}: git tag v0.2.0, then again"
        )
    archives = build_from_clones(ROOT, options.out)
    if found := problems(options.out, tags[0] if options.release else None):
        raise SystemExit("\n".join(found))
    (wheel,) = options.out.glob("*.whl")
    archives.append(write_sbom(wheel, options.out))
    lines = [f"{sha256_of(path)}  {path.name}\n" for path in archives]
    (options.out / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
    print("".join(lines), end="")


if __name__ == "__main__":
    main()
