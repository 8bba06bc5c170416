"""`cris export`: a model for onnxruntime, OpenVINO or torch alone, checked against the one it comes from."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from cris.card import read_front_matter
from cris.cli.console import show
from cris.cli.errors import UsageError
from cris.cli.images import find_images
from cris.engines.formats import FORMATS, Format, Precision
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
    """Registered name or checkpoint folder, here or as --model; `cris models` lists the names."""
    format: Format
    """onnx for onnxruntime, openvino for OpenVINO, pt2 for torch without this package."""
    precision: Precision = "fp32"
    """fp32 as trained; bf16 (openvino, pt2) with fewer digits; int8 (onnx, openvino) smallest and fastest."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder for the export."""
    int8_images: Annotated[str | None, tyro.conf.arg(metavar="photographs|scenes|DATA|IMAGES")] = None
    """Images that the ranges of int8 are measured on, like those to come: the photographs of this package,
    scenes, a folder that `cris data` wrote, or images (a folder or a pattern in quotes) with --sentences. By
    default photographs, or scenes for a model whose card says that it knows these alone."""
    sentences: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Sentences, one a line, asked in turns of the images of --int8-images."""
    limit: int = 200
    """Most images for int8."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the content of results.json, and nothing else."""
    overwrite: bool = False
    """Replace the results of another job in DIR."""

    def run(self) -> int:
        """Export, and print the files and how far the answers are from the model's."""
        from cris.data.open import is_dataset
        from cris.export.export import export_model
        from cris.export.samples import default_calibration
        from cris.registry import resolve

        if self.precision not in (known := FORMATS[self.format].precisions):
            raise UsageError(f"--format {self.format} comes in {', '.join(known)}, got {self.precision}")
        folder = resolve(self.model)
        images = self.int8_images or default_calibration(read_front_matter(folder))
        told = [images, str(self.sentences), self.limit] if self.precision == "int8" else None
        job = Job(
            "export",
            {
                "model": model_sha256(folder),
                "format": self.format,
                "precision": self.precision,
                "calibration": told,
            },
        )
        job.check_unmixed(self.out, overwrite=self.overwrite)
        is_known = images == "photographs" or is_dataset(images)
        with written_together(self.out) as partial:
            result = export_model(
                folder,
                partial,
                format=self.format,
                precision=self.precision,
                calibration=images if is_known or told is None else self._own_pairs(images),
                limit=self.limit,
            )
            record = job.record(
                result.files,
                model=self.model,
                format=self.format,
                precision=self.precision,
                agreement=result.agreement,
                differences={str(batch): share for batch, share in result.differences.items()},
            )
            write_record(partial, record)
        if self.as_json:
            sys.stdout.write(to_json(record))
        else:
            show(str(replace(result, folder=self.out)))
        return 0

    def _own_pairs(self, named: str) -> Iterator[tuple["np.ndarray", str]]:
        from cris.image import read_image

        if self.sentences is None:
            raise UsageError("--int8-images with images of your own needs --sentences FILE, one a line")
        lines = split_lines(decode_text(self.sentences.read_bytes(), str(self.sentences)))
        sentences = [line.strip() for line in lines if line.strip()]
        if not sentences:
            raise InputError(f"{self.sentences} must hold a sentence a line, it is empty")
        for place, path in enumerate(find_images(named)):
            yield read_image(path), sentences[place % len(sentences)]
