"""Front matter of a card: facts about a model or a data set, some of which the Hugging Face hub reads."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CARD = "README.md"
SUMMARY = "summary"
"""Field with a sentence on what the model was trained on and how good it is."""
DOMAIN = "domain"
"""Field with the kind of images that a model is limited to, `RENDERED_SCENES` for example."""
RENDERED_SCENES = "rendered scenes"
"""Domain of cris-scenes."""
TAGS = ("cris", "referring-image-segmentation")
"""Tags of models and data sets on the hub."""
_FIELD = re.compile(r"""([\w-]+|"[^"]*"|'[^']*'):(\s|$)""")


@dataclass(frozen=True, kw_only=True)
class CardResult:
    """Measured figures of a model on a split of a data set."""

    data: str
    """Name of the data set."""
    split: str
    figures: Mapping[str, tuple[str, float]]
    """Name of each metric → its title and its value."""


def read_front_matter(folder: Path) -> dict[str, str]:
    """Return the fields between the card's first two lines of `---`, as on the Hugging Face hub.

    Each is a name and its text on one line; what is written otherwise is passed over. Empty where the folder
    has no card, or the card no such fields.
    """
    path = folder / CARD
    return front_matter(path.read_text(encoding="utf-8", errors="replace")) if path.is_file() else {}


def front_matter(card: str) -> dict[str, str]:
    """Return the fields of a card, as `read_front_matter` does."""
    pairs = [line.partition(": ") for line in _block(card) or ()]
    return {
        name: _unquoted(text.strip())
        for name, colon, text in pairs
        if colon and name[:1] not in (" ", "#", "-")
    }


def model_card(
    card: str,
    *,
    name: str = "",
    license: str = "",
    base_models: Sequence[str] = (),
    datasets: Sequence[str] = (),
    results: Sequence[CardResult] = (),
) -> str:
    """Return a model's card with the fields that the hub reads; those that it has stay as they are.

    Args:
        card: Markdown, with front matter or without.
        name: name of the model beside its results.
        license: identifier of its licence, as the hub has them; "" where nothing is known of it.
        base_models: models of the hub, OWNER/NAME, that it began as.
        datasets: data sets of the hub that it was trained on.
        results: measured figures; without any the card claims none.
    """
    from huggingface_hub import EvalResult, ModelCardData  # here, as reading a card needs none of it

    measured = [
        EvalResult(
            task_type="image-segmentation",
            task_name="Referring image segmentation",
            dataset_type=re.sub(r"[^\w./+-]+", "-", result.data).strip("-").lower() or "data",
            dataset_name=result.data,
            dataset_split=result.split,
            metric_type=metric,
            metric_name=title,
            metric_value=value,
        )
        for result in results
        for metric, (title, value) in result.figures.items()
    ]
    data = ModelCardData(
        license=license or None,
        library_name="cris",
        pipeline_tag="image-segmentation",
        tags=list(TAGS),
        base_model=list(base_models) or None,
        datasets=list(datasets) or None,
        model_name=(name or "model") if measured else None,
        eval_results=measured or None,
    )
    return add_fields(card, data.to_dict())  # type: ignore[no-untyped-call]


def add_fields(card: str, fields: Mapping[str, Any]) -> str:
    """Return a card whose front matter has these fields too, after those that it has, which are kept."""
    from huggingface_hub.utils import yaml_dump  # type: ignore[attr-defined]

    block = _block(card)
    known = field_names(card)
    added = {name: value for name, value in fields.items() if name not in known}
    if not added:
        return card
    # a field on one line stays on one, as `front_matter` reads no others
    text = yaml_dump(added, sort_keys=False, width=math.inf).splitlines()
    if block is None:
        return "\n".join(["---", *text, "---", "", card])
    body = card.splitlines(keepends=True)[len(block) + 2 :]
    return "\n".join(["---", *block, *text, "---", ""]) + "".join(body)


def field_names(card: str) -> list[str]:
    """Return the names of a card's fields, on one line or on several."""
    return [found[1].strip("\"'") for line in _block(card) or () if (found := _FIELD.match(line))]


def _block(card: str) -> list[str] | None:
    """Return the lines between the first two of `---`; None where the card has no front matter."""
    first, *lines = card.splitlines() or [""]
    return lines[: lines.index("---")] if first == "---" and "---" in lines else None


def _unquoted(text: str) -> str:
    """Return the text of a scalar that YAML has in quotes."""
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            return text
    return text
