"""`cris export`: a model for onnxruntime, OpenVINO or torch alone, checked against the one it comes from."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from cris.card import DOMAIN, RENDERED_SCENES, read_front_matter
from cris.cli.console import show
from cris.cli.errors import UsageError
from cris.cli.pictures import find_pictures
from cris.errors import InputError
from cris.jobs import Job, model_sha256, to_json, write_record, written_together
from cris.text_files import decode_text, split_lines

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class Command:
    """Write a model as two graphs for another runtime, and check their answers against the model's.

    One graph encodes images, one gives the logits of sentences about encoded images; both take any number
    at a time. The folder also holds letterbox, threshold, score calibration and tokenizer, and is a MODEL for
    every command that asks one.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """Registered name or checkpoint folder; `cris models` lists the names."""
    format: Literal["onnx", "openvino", "pt2"]
    """onnx for onnxruntime, openvino for OpenVINO, pt2 for torch without this package."""
    precision: Literal["fp32", "bf16", "int8"] = "fp32"
    """fp32 as trained; bf16 (openvino, pt2) with fewer digits; int8 (onnx, openvino) smallest and fastest."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder for the export."""
    calibration: Annotated[str | None, tyro.conf.arg(metavar="photographs|scenes|DATA|PICTURES")] = None
    """Calibration images for int8, like those to come: the photographs of this package, scenes, a folder that
    `cris data` wrote, or images (a folder or a pattern in quotes) with --sentences. By default photographs,
    or scenes for a model whose card says that it knows these alone."""
    sentences: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Sentences, one a line, asked in turns of the images of --calibration."""
    limit: int = 200
    """Most images to calibrate with."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the content of results.json, and nothing else."""
    overwrite: bool = False
    """Replace the results of another job in DIR."""

    def run(self) -> int:
        """Export, and print the files and how far the answers are from the model's."""
        from cris.checkpoint import load_checkpoint
        from cris.config_file import StoredConfig
        from cris.engines.exported import PRECISIONS
        from cris.export.check import LIMITS
        from cris.export.make import export_model
        from cris.export.samples import as_samples
        from cris.registry import resolve

        if self.precision not in PRECISIONS[self.format]:
            raise UsageError(
                f"--format {self.format} comes in {', '.join(PRECISIONS[self.format])}, got {self.precision}"
            )
        folder = resolve(self.model)
        checkpoint = load_checkpoint(folder)
        config = StoredConfig(model=checkpoint.model.config, inference=checkpoint.inference)
        knows_scenes = read_front_matter(folder).get(DOMAIN) == RENDERED_SCENES
        calibration = self.calibration or ("scenes" if knows_scenes else "photographs")
        samples = (
            as_samples(islice(self._pairs(calibration), self.limit), config, checkpoint.tokenizer)
            if self.precision == "int8"
            else []
        )
        job = Job(
            "export",
            {
                "model": model_sha256(folder),
                "format": self.format,
                "precision": self.precision,
                "calibration": [calibration, str(self.sentences), self.limit] if samples else None,
            },
        )
        job.check_free(self.out, overwrite=self.overwrite)
        with written_together(self.out) as partial:
            written = export_model(
                checkpoint, partial, format=self.format, precision=self.precision, samples=samples
            )
            record = job.record(
                written.files,
                model=self.model,
                format=self.format,
                precision=self.precision,
                agreement=written.agreement,
                differences={str(batch): share for batch, share in written.differences.items()},
            )
            write_record(partial, record)
        if self.as_json:
            sys.stdout.write(to_json(record))
            return 0
        for name in written.files:
            show(f"{self.out / name}  {(self.out / name).stat().st_size / 1e6:.1f} MB")
        told = ", ".join(f"{share:.1e} at batch {batch}" for batch, share in written.differences.items())
        show(f"logits differ from the model's by {told} (relative; at most {LIMITS[self.precision]:.0e})")
        if written.agreement is not None:
            show(
                f"masks agree with those of fp32: mean IoU {written.agreement:.4f} on {len(samples)} samples"
            )
        return 0

    def _pairs(self, calibration: str) -> Iterator[tuple["np.ndarray", str]]:
        """Yield images with their sentences to calibrate with."""
        if calibration == "photographs":
            from cris.export.samples import packaged_pairs

            yield from packaged_pairs()
            return
        from cris.data.open import is_dataset, open_dataset

        if is_dataset(calibration):
            dataset = open_dataset(calibration, split="train")
            samples = map(dataset.__getitem__, range(len(dataset)))
            yield from ((sample.image, sample.sentence) for sample in samples)
        else:
            yield from self._own_pairs(calibration)

    def _own_pairs(self, calibration: str) -> Iterator[tuple["np.ndarray", str]]:
        from cris.picture import read_picture

        if self.sentences is None:
            raise UsageError("pictures to calibrate with need sentences: pass --sentences FILE, one a line")
        lines = split_lines(decode_text(self.sentences.read_bytes(), str(self.sentences)))
        sentences = [line.strip() for line in lines if line.strip()]
        if not sentences:
            raise InputError(f"{self.sentences} must hold a sentence a line, it is empty")
        for place, path in enumerate(find_pictures(calibration)):
            yield read_picture(path), sentences[place % len(sentences)]
