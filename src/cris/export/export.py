"""Export of a checkpoint to a folder, checked against the model."""

import contextlib
import gc
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.export import ExportedProgram

from cris import __version__
from cris.card import front_matter
from cris.checkpoint import Checkpoint, load_checkpoint
from cris.config_file import StoredConfig, write_config
from cris.engines.export_folder import write_metadata
from cris.engines.formats import FORMATS, Format, Precision
from cris.engines.load import load_graphs
from cris.errors import InputError
from cris.export.calibration import CalibrationData, calibration_data, mean_agreement
from cris.export.check import BATCHES, LIMITS, check, differences, is_within, plain_outputs
from cris.export.graphs import read_graph, write_graph, write_graphs, write_onnx
from cris.export.program import trace
from cris.export.quantize import Kept, quantization_steps, quantize
from cris.export.samples import (
    CalibrationSource,
    ExportSample,
    calibration_samples,
    default_calibration,
    noise_samples,
)
from cris.files import atomic_files
from cris.jobs import is_unused
from cris.model.encoders import OwnImageEncoder
from cris.model.fuse import fuse, to_bfloat16
from cris.registry import resolve

GOOD_AGREEMENT = 0.99
"""Mean IoU of int8's masks with float32's that is sought first; leaves room for 0.98 on other images."""
LEAST_AGREEMENT = 0.97
"""Least acceptable mean IoU of int8's masks with float32's."""


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """Files of an export, and how well its answers agree with the model's; printed, in a few lines."""

    folder: Path
    """Folder of the export, which `Segmenter.from_pretrained` takes."""
    format: Format
    """Format of the graphs."""
    precision: Precision
    """Number format of the weights."""
    files: dict[str, int]
    """Name → size in bytes, of each file in the folder."""
    differences: dict[int, float]
    """Batch size of images and sentences → relative difference of the logits from the model's."""
    agreement: float | None
    """Mean IoU of int8's masks with float32's, on `samples` of calibration; None for other precisions."""
    samples: int
    """Samples whose masks were compared; 0 for other precisions than int8."""

    def __str__(self) -> str:
        """Return the files with their sizes, the differences and the agreement, a line for each."""
        lines = [f"{self.folder / name}  {size / 1e6:.1f} MB" for name, size in self.files.items()]
        told = ", ".join(f"{share:.1e} at batch {batch}" for batch, share in self.differences.items())
        limit = LIMITS[self.precision]
        lines.append(f"logits differ from the model's by {told} (relative; at most {limit:.0e})")
        if self.agreement is not None:
            lines.append(
                f"masks agree with those of fp32: mean IoU {self.agreement:.4f} on {self.samples} samples"
            )
        return "\n".join(lines)


def export_model(
    model: str | Path | Checkpoint,
    folder: str | Path,
    *,
    format: Format,
    precision: Precision = "fp32",
    calibration: CalibrationSource | None = None,
    limit: int = 200,
    least_agreement: float = LEAST_AGREEMENT,
    image_encoder: OwnImageEncoder | None = None,
) -> ExportResult:
    """Write a model for another runtime to a new or empty folder, and check its answers.

    `Segmenter.from_pretrained` opens the folder. A checkpoint passed as `model` is consumed. For int8, as
    much stays in float32 as it takes for the masks to agree.

    Args:
        model: registered name, checkpoint folder, or a checkpoint.
        folder: folder to write to; nothing is there before the check has passed.
        format: format of the graphs.
        precision: precision of their arithmetic.
        calibration: for int8, images with sentences like those to come: "photographs" of the package,
            "scenes", a folder that `cris data` wrote, or pairs of an RGB array and a sentence. None: scenes
            for a model whose card says that it knows these alone, else photographs.
        limit: most pairs to calibrate with.
        least_agreement: least mean IoU of int8's masks with those of float32 on the samples.
        image_encoder: the caller's own image encoder, where the model was trained with one.

    Raises:
        InputError: there is no such model, the folder is in use, the format does not come in this precision,
            there are too few samples to calibrate with, or the graphs' answers differ from the model's.
    """
    if precision not in FORMATS[format].precisions:
        known = " or ".join(FORMATS[format].precisions)
        raise InputError(f"{format} is exported in {known}, got {precision}")
    folder = Path(folder)
    if not is_unused(folder):
        raise InputError(f"an export needs a new or empty folder, {folder} is in use: choose another")
    if isinstance(model, Checkpoint):
        checkpoint = model
    else:
        checkpoint = load_checkpoint(resolve(model), image_encoder=image_encoder)
    config = StoredConfig(model=checkpoint.model.config, inference=checkpoint.inference)
    samples: list[ExportSample] = []
    if precision == "int8":
        if calibration is None:
            calibration = default_calibration(front_matter(checkpoint.card))
        samples = calibration_samples(calibration, limit, config, checkpoint.tokenizer)
        if len(samples) < max(BATCHES):
            raise InputError(f"int8 needs at least {max(BATCHES)} samples to calibrate, got {len(samples)}")
    with atomic_files(folder) as partial, _no_garbage_collection():
        found, agreement = _export(checkpoint, config, partial, format, precision, samples, least_agreement)
    write_metadata(folder, format, precision, {"cris": __version__, "torch": torch.__version__})
    return ExportResult(
        folder=folder,
        format=format,
        precision=precision,
        files={path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.is_file()},
        differences=found,
        agreement=agreement,
        samples=sum(not sample.is_crop for sample in samples),
    )


def _export(
    checkpoint: Checkpoint,
    config: StoredConfig,
    folder: Path,
    format: Format,
    precision: Precision,
    samples: Sequence[ExportSample],
    least_agreement: float,
) -> tuple[dict[int, float], float | None]:
    """Write all but the metadata, and check the answers; return the differences and int8's agreement."""
    asked = samples or noise_samples(max(BATCHES), config)
    expected = plain_outputs(checkpoint.model.eval(), asked)
    model = fuse(checkpoint.model)
    calibration = calibration_data(model, config, samples) if precision == "int8" else None
    if precision == "bf16" and format == "pt2":
        to_bfloat16(model)
    agreement = None
    programs = trace(model, config)
    if calibration is None:
        write_graphs(programs, folder, format)
    else:
        steps = quantization_steps(model.image_encoder)

        def judge() -> float:
            """Return the agreement of the masks, or 0 where the logits are too far off."""
            graphs = load_graphs(folder, format, "int8", config.model)
            if not all(is_within(each, "int8") for each in differences(graphs, asked, expected).values()):
                return 0.0
            return mean_agreement(graphs, calibration)

        agreement = _write_int8(programs, folder, format, steps, calibration, judge, least_agreement)
    write_config(folder / "config.json", config)
    checkpoint.tokenizer.save(folder / "tokenizer.json")
    card = f"Exported by `cris export --format {format} --precision {precision}`.\n\n{checkpoint.card}"
    (folder / "README.md").write_text(card, encoding="utf-8", newline="\n")
    found = differences(load_graphs(folder, format, precision, config.model), asked, expected)
    check(found, precision)
    return found, agreement


def _write_int8(
    programs: tuple[ExportedProgram, ExportedProgram],
    folder: Path,
    format: Format,
    steps: Sequence[Kept],
    calibration: CalibrationData,
    judge: Callable[[], float],
    least_agreement: float,
) -> float:
    """Quantise as much as keeps the masks, and return how well they agree, as judged.

    That is the first of the steps whose masks agree well, else the first whose masks agree enough.
    """
    given = {"picture": calibration.images, "sentence": calibration.sentences}
    agreements: dict[Kept, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        write_onnx(programs, Path(temporary))
        written: dict[str, tuple[str, ...]] = {}
        for goal in (max(GOOD_AGREEMENT, least_agreement), least_agreement):
            for step in steps:
                if agreements.get(step, goal) < goal:
                    continue
                gc.collect(0)  # the graphs of the step before
                for name, kept in step._asdict().items():
                    if written.get(name) != kept:
                        graph = read_graph(Path(temporary) / f"{name}.onnx", format)
                        write_graph(quantize(graph, given[name], kept), name, folder, format)
                        written[name] = kept
                if step not in agreements:
                    agreements[step] = judge()
                if agreements[step] >= goal:
                    return agreements[step]
    best = max(agreements.values())
    reason = (
        f"masks of int8 agree with those of float32 by a mean IoU of {best:.3f} at best, "
        f"at least {least_agreement} is needed"
        if best
        else f"logits of int8 differ from those of float32 by more than {LIMITS['int8']:.0%} of their norm"
    )
    raise InputError(f"{reason}: calibrate with more images like those to come, or take fp32")


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Keep the collector from going through the many objects of a traced model again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
