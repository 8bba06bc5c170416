"""Reference of the Python API: which names stand on which page; none of them without a docstring."""

from collections.abc import Iterator
from pathlib import Path

import griffe

import cris
from cris import studies

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = "reference/python"
NAMES: dict[str, tuple[str, ...]] = {
    "Predict": (
        "cris.Segmenter",
        "cris.segmenter.EncodedImage",
        "cris.Prediction",
        "cris.sample_image",
        "cris.demo.photographs.photographs",
        "cris.demo.photographs.Photograph",
        "cris.demo.photographs.Asked",
        "cris.model.config.InferenceConfig",
        "cris.video.reading.VideoFile",
        "cris.video.reading.Camera",
    ),
    "Conversions": (
        "cris.conversions.to_coco",
        "cris.conversions.to_detections",
        "cris.conversions.to_label_studio",
        "cris.conversions.to_yolo",
        "cris.masks.Rle",
        "cris.masks.encode_rle",
        "cris.masks.decode_rle",
        "cris.masks.box_of",
    ),
    "Train": (
        "cris.train",
        "cris.training.loop.Outcome",
        "cris.training.recipes.RECIPES",
        "cris.training.config.TrainConfig",
        "cris.training.config.SamplingConfig",
        "cris.training.config.ObjectivesConfig",
        "cris.training.config.OptimizerConfig",
        "cris.training.config.ScheduleConfig",
        "cris.training.config.ValidationConfig",
        "cris.training.loss.Loss",
        "cris.training.loss.text_to_pixel_loss",
        "cris.data.loading.loader.Batch",
    ),
    "Evaluate": (
        "cris.evaluate",
        "cris.evaluation.results.Evaluation",
        "cris.evaluation.rows.Row",
        "cris.evaluation.row_files.read_rows",
        "cris.evaluation.metrics.METRICS",
        "cris.evaluation.metrics.Metric",
        "cris.evaluation.metrics.mean",
        "cris.evaluation.metrics.share_above",
        "cris.evaluation.metrics.ratio_of_sums",
        "cris.evaluation.report.page.Subject",
        "cris.evaluation.report.page.write_report",
        "cris.agreement.check_agreement",
    ),
    "Data": (
        "cris.open_dataset",
        "cris.data.dataset.Dataset",
        "cris.data.dataset.AnnotatedImage",
        "cris.data.dataset.AnnotatedObject",
        "cris.data.dataset.Reference",
        "cris.data.dataset.Sample",
        "cris.data.dataset.SampleIndex",
        "cris.data.store.reading.StoredDataset",
        "cris.data.scenes.Scenes",
        "cris.data.scenes.SceneKnobs",
        "cris.data.scenes.SceneSample",
    ),
    "Studies": (
        *(f"cris.studies.{name}" for name in studies.__all__),
        "cris.studies.ablation.Ablation",
        "cris.studies.label_audit.LabelAudit",
        "cris.studies.occlusion_levels.OcclusionLevels",
        "cris.studies.ambiguity.AmbiguityDetection",
        "cris.studies.reproduction.Reproduction",
        "cris.studies.score_calibration.ScoreCalibration",
    ),
    "Export": ("cris.export_model", "cris.export.export.ExportResult"),
    "Model": (
        "cris.model.CrisConfig",
        "cris.model.build_cris",
        "cris.model.Cris",
        "cris.model.ImageEncoder",
        "cris.model.output.ModelOutput",
        "cris.model.convert.load_clip",
        "cris.model.convert.load_released",
        "cris.model.tokenizer.Tokenizer",
    ),
    "Errors": ("cris.errors.InputError", "cris.errors.UsageError"),
}
"""Title of a page → the objects on it."""
PAGES = {title: f"{FOLDER}/{title.lower()}.md" for title in NAMES}
"""Title of a page → its place."""
_TOP = {f"cris.{name}" for name in cris.__all__} - {"cris.__version__"}


def page(title: str) -> str:
    """Return a page, with a directive for mkdocstrings for each object."""
    return "\n\n".join([f"# {title}", *(f"::: {name}" for name in NAMES[title])])


def documented() -> set[str]:
    """Return the names that have a place, by the module that a user imports them from."""
    return {name for names in NAMES.values() for name in names}


def undocumented() -> list[str]:
    """Return the public names of the reference, members included, that have no docstring.

    Raises:
        ValueError: a name of `cris` or `cris.studies` has no place in the reference.
    """
    if unplaced := _TOP - documented():
        raise ValueError(f"tools/site/api.py gives no page to {', '.join(sorted(unplaced))}")
    package = griffe.load("cris", search_paths=[str(REPOSITORY / "src")])
    return [each for name in sorted(documented()) for each in _without_docstring(package[name[5:]], name)]


def _is_told_by_its_type(found: griffe.Object | griffe.Alias) -> bool:
    """Return whether it is a field whose type is a name, such as a configuration that is part of another."""
    annotation = getattr(found, "annotation", None) if found.is_attribute else None
    return isinstance(annotation, griffe.ExprName) and annotation.name[0].isupper()


def _without_docstring(found: griffe.Object | griffe.Alias, name: str) -> Iterator[str]:
    if found.docstring is None and not _is_told_by_its_type(found):
        yield name
    if found.is_class:
        for member in found.members.values():
            if not (member.name.startswith("_") or (member.is_alias and member.is_imported)):
                yield from _without_docstring(member, f"{name}.{member.name}")
