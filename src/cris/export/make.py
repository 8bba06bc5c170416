"""From a checkpoint to an exported folder, checked against the model."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cris.checkpoint import Checkpoint
from cris.config_file import StoredConfig, write_config
from cris.engines.engine import Precision
from cris.engines.exported import PICTURE_OUTPUTS, PRECISIONS, Format
from cris.engines.opening import open_graphs
from cris.export.check import BATCHES, check, differences, plain_logits
from cris.export.graphs import NAMES, openvino_from_onnx, write_onnx, write_openvino, write_pt2
from cris.export.program import trace
from cris.export.quantise import Inputs, quantise, quantise_onnx_file
from cris.export.samples import Sample, noise_samples
from cris.model.cris import Cris
from cris.model.prepare import prepare, to_bfloat16


@dataclass(frozen=True, kw_only=True)
class Written:
    """What an export is."""

    files: list[str]
    """Names in its folder."""
    differences: dict[int, float]
    """Pictures and sentences at a time → relative difference of the logits from the model's."""


def export_model(
    checkpoint: Checkpoint,
    folder: Path,
    *,
    format: Format,
    precision: Precision = "fp32",
    calibration: Sequence[Sample] = (),
) -> Written:
    """Writes the two graphs, the configuration, the tokenizer and a card to an empty folder, and checks them.

    The checkpoint's model is used up. `calibration` gives the ranges of values for int8, and what the check
    asks.

    Raises:
        ValueError: the format does not come in this precision, too few samples to calibrate with, or the
            graphs answer otherwise than the model.
    """
    if precision not in PRECISIONS[format]:
        raise ValueError(f"{format} is exported in {' or '.join(PRECISIONS[format])}, got {precision}")
    if precision == "int8" and len(calibration) < max(BATCHES):
        raise ValueError(f"int8 needs at least {max(BATCHES)} samples to calibrate, got {len(calibration)}")
    config = StoredConfig(model=checkpoint.model.config, inference=checkpoint.inference)
    samples = calibration or noise_samples(max(BATCHES), config)
    model = checkpoint.model.eval()
    expected = plain_logits(model, samples)
    prepare(model)
    given = _graph_inputs(model, calibration) if precision == "int8" else {}
    if precision == "bf16" and format == "pt2":
        to_bfloat16(model)
    _write_graphs(model, config, folder, format, given)
    write_config(folder / "config.json", config)
    checkpoint.tokenizer.save(folder / "tokenizer.json")
    card = f"Exported by `cris export --format {format} --precision {precision}`.\n\n{checkpoint.card}"
    (folder / "README.md").write_text(card, encoding="utf-8", newline="\n")
    found = differences(open_graphs(folder, format, precision, config.model), samples, expected)
    check(found, precision)
    return Written(files=sorted(path.name for path in folder.iterdir()), differences=found)


def _write_graphs(
    model: Cris, config: StoredConfig, folder: Path, format: Format, given: dict[str, list[Inputs]]
) -> None:
    """`given` holds each graph's inputs when it is to be quantised."""
    programs = trace(model, config)
    if format == "pt2":
        write_pt2(programs, folder)
        return
    with tempfile.TemporaryDirectory(prefix=".onnx-", dir=folder) as temporary:
        write_onnx(programs, Path(temporary))
        for name in NAMES:
            file, is_of_sentences = Path(temporary) / f"{name}.onnx", name == "sentence"
            if format == "openvino":
                graph = openvino_from_onnx(file)
                if given:
                    graph = quantise(graph, given[name], is_of_sentences=is_of_sentences)
                write_openvino(graph, folder / f"{name}.xml")
                continue
            if given:
                quantise_onnx_file(file, given[name], is_of_sentences=is_of_sentences)
            shutil.move(file, folder / file.name)


@torch.inference_mode()
def _graph_inputs(model: Cris, samples: Sequence[Sample]) -> dict[str, list[Inputs]]:
    """What each graph is given when it is asked these samples."""
    index = np.zeros(1, dtype=np.int64)
    pictures: list[Inputs] = []
    sentences: list[Inputs] = []
    for sample in samples:
        features = model.encode_image(torch.from_numpy(sample.image))
        known = {name: part.numpy() for name, part in zip(PICTURE_OUTPUTS, features, strict=True)}
        pictures.append({"images": sample.image})
        sentences.append(known | {"tokens": sample.tokens, "image_index": index})
    return {"picture": pictures, "sentence": sentences}
