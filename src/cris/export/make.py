"""Export of a checkpoint to a folder, checked against the model."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.export import ExportedProgram

from cris import __version__
from cris.checkpoint import Checkpoint, load_checkpoint
from cris.config_file import StoredConfig, write_config
from cris.engines.engine import Precision
from cris.engines.export_folder import METADATA, PRECISIONS, Format, write_metadata
from cris.engines.load import load_graphs
from cris.errors import InputError
from cris.export.calibration import Calibration, calibrate, mean_agreement
from cris.export.check import BATCHES, check, differences, plain_outputs
from cris.export.graphs import NAMES, read_graph, write_graph, write_onnx, write_pt2
from cris.export.program import trace
from cris.export.quantize import STEPS, Kept, quantize
from cris.export.samples import Sample, noise_samples
from cris.files import atomic_files
from cris.jobs import is_unused
from cris.model.fuse import fuse, to_bfloat16
from cris.registry import resolve

GOOD_AGREEMENT = 0.99
"""Mean IoU of int8's masks with float32's that is sought first; leaves room for 0.98 on other images."""
LEAST_AGREEMENT = 0.97
"""Least acceptable mean IoU of int8's masks with float32's."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """Result of an export."""

    files: list[str]
    """Names of the files in its folder."""
    differences: dict[int, float]
    """Batch size of images and sentences → relative difference of the logits from the model's."""
    agreement: float | None
    """Mean IoU of int8's masks with float32's, on the calibration samples; None for other precisions."""


def export_model(
    model: str | Path | Checkpoint,
    folder: str | Path,
    *,
    format: Format,
    precision: Precision = "fp32",
    samples: Sequence[Sample] = (),
    least_agreement: float = LEAST_AGREEMENT,
) -> Written:
    """Write a model for another runtime to a new or empty folder, and check its answers.

    `Segmenter.from_pretrained` opens the folder, and `OnnxSegmenter` one in ONNX. A checkpoint passed as
    `model` is consumed. For int8, as much stays in float32 as it takes for the masks to agree.

    Args:
        model: registered name, checkpoint folder, or a checkpoint.
        folder: folder to write to; nothing is there before the check has passed.
        format: format of the graphs.
        precision: precision of their arithmetic.
        samples: samples for int8's calibration and for the check; noise if left out.
        least_agreement: least mean IoU of int8's masks with those of float32 on the samples.

    Raises:
        InputError: there is no such model, the folder is in use, the format does not come in this precision,
            there are too few samples to calibrate with, or the graphs' answers differ from the model's.
    """
    if precision not in PRECISIONS[format]:
        raise InputError(f"{format} is exported in {' or '.join(PRECISIONS[format])}, got {precision}")
    if precision == "int8" and len(samples) < max(BATCHES):
        raise InputError(f"int8 needs at least {max(BATCHES)} samples to calibrate, got {len(samples)}")
    folder = Path(folder)
    if not is_unused(folder):
        raise InputError(f"an export needs a new or empty folder, {folder} is in use: choose another")
    checkpoint = model if isinstance(model, Checkpoint) else load_checkpoint(resolve(model))
    with atomic_files(folder) as partial:
        written = _export(checkpoint, partial, format, precision, samples, least_agreement)
    write_metadata(folder, format, precision, {"cris": __version__, "torch": torch.__version__})
    return replace(written, files=sorted([*written.files, METADATA]))


def _export(
    checkpoint: Checkpoint,
    folder: Path,
    format: Format,
    precision: Precision,
    samples: Sequence[Sample],
    least_agreement: float,
) -> Written:
    """Write all but the metadata, and check the answers."""
    config = StoredConfig(model=checkpoint.model.config, inference=checkpoint.inference)
    asked = samples or noise_samples(max(BATCHES), config)
    expected = plain_outputs(checkpoint.model.eval(), asked)
    model = fuse(checkpoint.model)
    calibration = calibrate(model, config, samples) if precision == "int8" else None
    if precision == "bf16" and format == "pt2":
        to_bfloat16(model)
    agreement = None
    programs = trace(model, config)
    if format == "pt2":
        write_pt2(programs, folder)
    elif calibration is None:
        _write(programs, folder, format)
    else:
        agreement = _write_int8(programs, folder, format, calibration, least_agreement)
    write_config(folder / "config.json", config)
    checkpoint.tokenizer.save(folder / "tokenizer.json")
    card = f"Exported by `cris export --format {format} --precision {precision}`.\n\n{checkpoint.card}"
    (folder / "README.md").write_text(card, encoding="utf-8", newline="\n")
    found = differences(load_graphs(folder, format, precision, config.model), asked, expected)
    check(found, precision)
    files = sorted(path.name for path in folder.iterdir())
    return Written(files=files, differences=found, agreement=agreement)


def _write(programs: tuple[ExportedProgram, ExportedProgram], folder: Path, format: Format) -> None:
    if format == "onnx":
        write_onnx(programs, folder)
        return
    with tempfile.TemporaryDirectory() as temporary:
        write_onnx(programs, Path(temporary))
        for name in NAMES:
            write_graph(read_graph(Path(temporary) / f"{name}.onnx", format), name, folder, format)


def _write_int8(
    programs: tuple[ExportedProgram, ExportedProgram],
    folder: Path,
    format: Format,
    calibration: Calibration,
    least_agreement: float,
) -> float:
    """Quantise as much as keeps the masks, and return how well they agree.

    That is the fastest of `STEPS` whose masks agree well, else the fastest whose masks agree enough.
    """
    given = {"picture": calibration.pictures, "sentence": calibration.sentences}
    agreements: dict[Kept, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        write_onnx(programs, Path(temporary))
        written: dict[str, tuple[str, ...]] = {}
        for goal in (max(GOOD_AGREEMENT, least_agreement), least_agreement):
            for step in STEPS:
                if agreements.get(step, goal) < goal:
                    continue
                for name, kept in step._asdict().items():
                    if written.get(name) != kept:
                        graph = read_graph(Path(temporary) / f"{name}.onnx", format)
                        write_graph(quantize(graph, given[name], kept), name, folder, format)
                        written[name] = kept
                if step not in agreements:
                    graphs = load_graphs(folder, format, "int8", calibration.config.model)
                    agreements[step] = mean_agreement(graphs, calibration)
                if agreements[step] >= goal:
                    return agreements[step]
    raise InputError(
        f"masks of int8 agree with those of float32 by a mean IoU of {max(agreements.values()):.3f} at best, "
        f"at least {least_agreement} is needed: calibrate with more images like those to come, or take fp32"
    )
