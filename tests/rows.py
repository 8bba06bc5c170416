"""Rows of an evaluation that never was."""

from typing import Any

from cris.evaluation.rows import Row

_PLAIN: dict[str, Any] = {
    "picture": "street.jpg",
    "picture_id": 0,
    "ref_id": 0,
    "sentence": "the dog",
    "kind": "plain",
    "category": "dog",
    "words": 2,
    "distractors": 0,
    "height": 20,
    "width": 30,
    "score": 0.5,
    "ambiguity": None,
    "visible": None,
    "ceiling": 0.9,
    "failure": None,
    "best_other_iou": 0.0,
    "rle": {"size": [20, 30], "counts": "hb0"},
}


def a_row(sample: int = 0, intersection: int = 3, union: int = 4, **changes: Any) -> Row:
    """A row whose areas add up; of the union's rest, half is only true and half only found."""
    true_area = changes.get("true_area", intersection + (union - intersection + 1) // 2)
    fields = _PLAIN | {
        "sample": sample,
        "intersection": intersection,
        "union": union,
        "iou": intersection / (union + 1e-6),
        "true_area": true_area,
        "predicted_area": intersection + union - true_area,
        "is_no_target": true_area == 0,
    }
    return Row(**(fields | changes))
