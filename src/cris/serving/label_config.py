"""Label Studio's labelling configuration: controls that take masks of an image, and where prompts stand."""

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cris.conversions import LabelKind
from cris.errors import InputError

_KINDS: dict[str, LabelKind] = {"brushlabels": "brushlabels", "polygonlabels": "polygonlabels"}
LONGEST_CONFIG = 2**20
"""Characters of a configuration that is read."""
_MOST_TAGS = 10_000
_MOST_CONTROLS = 100
_MOST_LABELS = 1000
"""Labels of all controls together; controls within controls have those of the inner ones, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskControl:
    """Control of a project whose regions are masks: `<BrushLabels>` or `<PolygonLabels>`."""

    name: str
    kind: LabelKind
    to_name: str
    """Name of the image's tag."""
    image_field: str
    """Field of a task's data with the image's address."""
    labels: dict[str, str]
    """Label as annotators read it → as it is stored, which is its alias where it has one."""
    words: dict[str, str]
    """Label as annotators read it → its words, in small letters."""
    prompts: frozenset[str]
    """Names of the text areas about the same image."""

    def label_for(self, sentence: str) -> str | None:
        """Return the label, as it is stored, that a sentence names as words; the longest of several."""
        said = f" {_in_words(sentence)} "
        named = [shown for shown, words in self.words.items() if f" {words} " in said]
        return self.labels[max(named, key=len)] if named else None


def read_label_config(config: str) -> list[MaskControl]:
    """Return the controls for masks, in the order of the configuration.

    Raises:
        InputError: it is no XML, or has no control for masks of an image, or one without labels.
    """
    if len(config) > LONGEST_CONFIG:
        raise InputError(f"expected a label config of at most {LONGEST_CONFIG:,} characters, got more")
    if "<!" in config.replace("<!--", "").replace("<![CDATA[", ""):
        raise InputError("expected a label config without declarations, got <!…")  # of entities
    try:
        tags = list(ET.fromstring(config).iter())
    except (ET.ParseError, ValueError) as error:
        raise InputError(f"expected a label config in XML, got something else ({error})") from error
    masks = sum(_kind(tag) in _KINDS for tag in tags)
    for count, most, what in ((len(tags), _MOST_TAGS, "tags"), (masks, _MOST_CONTROLS, "controls for masks")):
        if count > most:
            raise InputError(f"expected a label config of at most {most:,} {what}, got {count:,}")
    controls: list[MaskControl] = []
    for control in _controls(tags, dict(_images(tags))):
        controls.append(control)
        if sum(len(each.labels) for each in controls) > _MOST_LABELS:
            raise InputError(f"expected a label config of at most {_MOST_LABELS:,} labels, got more")
    if not controls:
        raise InputError(
            "expected <BrushLabels> or <PolygonLabels> with labels, and toName of an <Image value='$field'>, "
            "in the label config; found none"
        )
    return controls


def _images(tags: Iterable[ET.Element]) -> Iterator[tuple[str, str]]:
    """Yield name of each image's tag, and the field of a task's data that it shows."""
    for tag in tags:
        value = tag.get("value", "")
        if _kind(tag) == "image" and tag.get("name") and value.startswith("$") and value[1:]:
            yield tag.attrib["name"], value[1:]


def _controls(tags: Sequence[ET.Element], images: dict[str, str]) -> Iterator[MaskControl]:
    areas = [
        (tag.attrib["name"], _names(tag)) for tag in tags if _kind(tag) == "textarea" and tag.get("name")
    ]
    for tag in tags:
        about = [name for name in _names(tag) if name in images]
        if _kind(tag) not in _KINDS or not tag.get("name") or not about:
            continue
        to_name = about[0]
        labels = {
            label.attrib["value"]: label.get("alias") or label.attrib["value"]
            for label in tag.iter()
            if _kind(label) == "label" and label.get("value", "").strip()
        }
        if labels:
            yield MaskControl(
                name=tag.attrib["name"],
                kind=_KINDS[_kind(tag)],
                to_name=to_name,
                image_field=images[to_name],
                labels=labels,
                words={shown: _in_words(shown) for shown in labels},
                prompts=frozenset(name for name, about in areas if to_name in about),
            )


def _kind(tag: ET.Element) -> str:
    return tag.tag.lower() if isinstance(tag.tag, str) else ""


def _names(tag: ET.Element) -> list[str]:
    return [name.strip() for name in tag.get("toName", "").split(",")]


def _in_words(text: str) -> str:
    return " ".join("".join(sign if sign.isalnum() else " " for sign in text.lower()).split())
