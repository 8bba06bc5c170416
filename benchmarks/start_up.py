"""Seconds until something happens: import, help, first mask of the embedded model; whole commands, cold.

python -m benchmarks.start_up [RUNS]
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from cris.data.scenes import Scenes

CRIS = Path(sys.executable).parent / "cris"


def main() -> None:
    """Print the table for the docs."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as folder:
        sample = Scenes("test")[7]
        image = Path(folder) / "scene.png"
        Image.fromarray(sample.image).save(image)
        segment = [str(CRIS), "segment", str(image), sample.sentence, "--out", f"{folder}/out"]
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "python -c 'import cris'": [sys.executable, "-c", "import cris"],
            "cris --help": [str(CRIS), "--help"],
            "cris segment, one image": [*segment, "--overwrite"],
        }
        print("| command | least, s | median, s |")
        print("|---|---|---|")
        for name, command in commands.items():
            seconds = [time_of(command) for _ in range(runs)]
            print(f"| {name} | {min(seconds):.2f} | {statistics.median(seconds):.2f} |")


def time_of(command: list[str]) -> float:
    """Seconds that a whole process takes."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
