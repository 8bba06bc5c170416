"""Install the wheel alone in a fresh environment, predict with it, and run the tests of a base install.

    python -m tools.package_try dist [--python python3.12] [--no-tests]

The tests are copied away from this checkout, so that it is the wheel that they import. Those that need an
extra, or files of the checkout, are in tests/fixtures/base_install.py.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEST_TOOLS = ("beartype", "hypothesis", "pytest", "pytest-xdist")
COPIED = ("tests", "benchmarks", "tools", "pyproject.toml")
PREDICT = """
import cris, shutil
print("cris", cris.__version__, "from", cris.__file__)
prediction = cris.Segmenter.from_pretrained(device="cpu").predict(cris.sample_image(), "the broccoli")
assert prediction.mask.any(), prediction
shutil.copy(cris.sample_image(), "sample.jpg")
"""
SEGMENT = ("-m", "cris", "segment", "sample.jpg", "the broccoli", "--out", "found", "--device", "cpu")


def install(python: str, wheel: Path, environment: Path) -> Path:
    """Make an environment with the wheel and what it requires; return its python."""
    run(python, "-m", "venv", environment)
    inside = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip(inside, wheel)
    return inside


def pip(python: Path, *what: str | Path) -> None:
    """Install packages in the tested versions."""
    run(
        python,
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "-c",
        ROOT / "constraints.txt",
        *what,
    )


def run(*command: str | Path, cwd: Path | None = None, unset: tuple[str, ...] = ("PYTHONPATH",)) -> None:
    """Run a command, shown as it is; fail if it fails."""
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    if code := subprocess.run(list(map(str, command)), cwd=cwd, env=environment).returncode:
        raise SystemExit(f"{' '.join(map(str, command))} ended with {code}")


def run_tests(python: Path, folder: Path) -> None:
    """Run the tests of a base install on a copy, beside nothing of ours but the installed wheel."""
    pip(python, *TEST_TOOLS)
    copy = folder / "copy"
    copy.mkdir()
    for name in COPIED:
        copied = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copied(ROOT / name, copy / name)
    # without CI: tests that need the folder shared/ are skipped
    run(
        python,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.fixtures.base_install",
        cwd=copy,
        unset=("PYTHONPATH", "CI"),
    )


def main() -> None:
    """Try the wheel of a folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dist", type=Path)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--no-tests", action="store_true")
    options = parser.parse_args()
    (wheel,) = options.dist.resolve().glob("*.whl")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        start = time.monotonic()
        python = install(options.python, wheel, folder / "environment")
        print(f"installed in {time.monotonic() - start:.0f} s")
        run(python, "-I", "-c", PREDICT, cwd=folder)
        run(python, "-I", *SEGMENT, cwd=folder)
        if not options.no_tests:
            run_tests(python, folder)


if __name__ == "__main__":
    main()
