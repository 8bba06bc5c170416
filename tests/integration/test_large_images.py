"""The memory that a very large image takes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
BYTES_PER_PIXEL = 1.5e9 / (12_000 * 9_000)

MEASURE = """
import json, sys
import numpy as np
from cris.process_memory import peak_bytes, reset_peak, resident_bytes
from tests.unit.test_segmenter import segmenter

small = segmenter()
small.predict(np.zeros((9, 9, 3), np.uint8), "left dog").overlay()  # loads what any answer does
reset_peak()
before = resident_bytes()
prediction = small.predict(sys.argv[1], "left dog")
probability = prediction.probability
box, rle, overlay = prediction.box, prediction.to_rle(), prediction.overlay()
print(json.dumps({"size": prediction.mask.shape, "bytes": peak_bytes() - before}))
"""


@pytest.mark.usefixtures("forked_programs")
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak as Linux counts it")
def test_a_image_of_108_megapixels_takes_at_most_a_gigabyte_and_a_half(prove, tmp_path):
    scale = prove.count(full=1, quick=2)
    width, height = 12_000 // scale, 9_000 // scale
    rows, columns = np.ogrid[:height, :width]
    exif = Image.Exif()
    exif[0x0112] = 6  # turned, which must not take it twice
    path = tmp_path / "large.jpg"
    Image.fromarray((rows // 9 + columns // 9).astype(np.uint8)).convert("RGB").save(path, exif=exif)

    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    measured = json.loads(done.stdout)
    prove.figure(f"memory of a {width}×{height} image, beyond the model", f"{measured['bytes'] / 1e9:.2f} GB")
    assert measured["size"] == [width, height]
    assert measured["bytes"] <= BYTES_PER_PIXEL * width * height
