"""Eight bits keep the embedded model's masks."""

from pathlib import Path

import numpy as np
import pytest

from cris import Segmenter
from cris.checkpoint import load_checkpoint
from cris.data.scenes import Scenes
from cris.engines.formats import FORMATS, Format
from cris.engines.load import load_graphs
from cris.export import export_model
from cris.registry import resolve
from tests.fixtures.plugin import IS_FULL_SIZE, Proof

INT8 = ["openvino", "onnx"] if IS_FULL_SIZE else ["onnx"]
"""Formats; a vision transformer always comes in the other one (test_vit.py)."""
LEAST_AGREEMENT = 0.98
"""Mean IoU of masks."""


@pytest.mark.parametrize("format", INT8)
def test_int8_masks_of_the_embedded_model_are_those_of_fp32(
    tmp_path: Path, prove: Proof, format: Format
) -> None:
    checkpoint = load_checkpoint(resolve("cris-scenes"))
    config = checkpoint.model.config
    scenes = Scenes(split="val")
    pairs = (
        (scenes[place].image, scenes[place].sentence) for place in range(prove.count(full=200, quick=12))
    )
    result = export_model(checkpoint, tmp_path, format=format, precision="int8", calibration=pairs)
    assert result.agreement is not None
    assert f"mean IoU {result.agreement:.4f} on {result.samples} samples" in str(result)
    assert FORMATS[format].engine == format
    plain = Segmenter.from_pretrained("cris-scenes", "cpu")
    smaller = Segmenter(load_graphs(tmp_path, format, "int8", config), plain.tokenizer, plain.inference)
    test, count = Scenes(split="test"), prove.count(full=2000, quick=40)
    agreements = []
    for place in range(count):
        sample = test[place]
        one, other = (each.predict(sample.image, sample.sentence).mask for each in (plain, smaller))
        union = (one | other).sum()
        agreements.append((one & other).sum() / union if union else 1.0)
    mean = float(np.mean(agreements))
    prove.figure(f"int8 ({format}) against fp32 masks, mean IoU on {count} scenes", f"{mean:.4f}")
    assert mean >= LEAST_AGREEMENT
