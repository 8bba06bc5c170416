"""Selection of references: lists of ids to drop, and sentences that a review found wrong."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cris.data.annotations.fields import Box, as_row, as_whole, read_json
from cris.data.annotations.instances import Instances
from cris.data.annotations.references import ReferenceRecord, Sentence
from cris.errors import InputError
from cris.text_files import decode_text, split_lines

SENTENCE_PREFIX = "sentence:"
SAID_PREFIX = "said:"
"""Prefix before a reference's number in the data set, a colon, and the text of one of its sentences."""
DOUBTFUL = "-doubtful"
"""Suffix of a split's name for sentences that a review found wrong, when they are marked."""
_SAME_BOX_PIXELS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """Sentences that people reviewed, as Ref-L4 gives them for RefCOCO, RefCOCO+ and RefCOCOg."""

    count: int
    """Number of reviewed sentences."""
    wrong: dict[tuple[int, str], list[tuple[int, Box]]]
    """Image and sentence → annotation and box of each object for which they are wrong."""

    def is_wrong(self, picture_id: int, sentence: str, object_id: int, box: Box) -> bool:
        """Check whether the sentence was found wrong for that object, identified by its id or its box."""
        return any(
            object_id == other_id
            or all(abs(a - b) <= _SAME_BOX_PIXELS for a, b in zip(box, other_box, strict=True))
            for other_id, other_box in self.wrong.get((picture_id, _plain(sentence)), ())
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Choice of sentences to drop or to mark."""

    dropped: frozenset[str] = frozenset()
    """Ids of references; of sentences with SENTENCE_PREFIX; sentences by their text with SAID_PREFIX."""
    review: Review | None = None
    is_marking: bool = False
    """True if wrong sentences go to a split of their own instead of being dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """Result of a selection."""

    references: list[ReferenceRecord]
    remarks: list[str]
    """Notes on what it did, a line each."""


def select(references: Sequence[ReferenceRecord], instances: Instances, selection: Selection) -> Selected:
    """Return the remaining references, in their order; marked ones come last."""
    left, remarks = list(references), []
    if selection.dropped:
        left, remark = _without_dropped(left, selection.dropped)
        remarks.append(remark)
    if selection.review is not None:
        right, doubtful = _reviewed(left, instances, selection.review)
        left = right + doubtful if selection.is_marking else right
        what = f"marked by the ending {DOUBTFUL} of their split" if selection.is_marking else "dropped"
        found = sum(len(reference.sentences) for reference in doubtful)
        total = sum(map(len, selection.review.wrong.values()))
        remarks.append(
            f"{found:,} sentences {what}; "
            f"the review of {selection.review.count:,} sentences found {total:,} wrong"
        )
    return Selected(references=left, remarks=remarks)


def _without_dropped(
    references: list[ReferenceRecord], dropped: frozenset[str]
) -> tuple[list[ReferenceRecord], str]:
    left: list[ReferenceRecord] = []
    used: set[str] = set()
    count = 0
    for reference in references:
        names = {SENTENCE_PREFIX + each.id: each for each in reference.sentences if each.id is not None}
        names |= {f"{SAID_PREFIX}{reference.id}:{each.text}": each for each in reference.sentences}
        used |= dropped & {reference.key, *names}
        gone = [each for name, each in names.items() if name in dropped]
        stay = tuple(each for each in reference.sentences if each not in gone)
        if reference.key in dropped:
            stay = ()
        count += len(reference.sentences) - len(stay)
        if stay:
            left.append(replace(reference, sentences=stay))
    remark = f"{count:,} sentences of {len(references) - len(left):,} references dropped by {len(used):,} ids"
    unused = sorted(dropped - used)
    if unused:
        some = ", ".join(unused[:3]) + ("…" if len(unused) > 3 else "")
        remark += f"; {len(unused):,} ids are not in the source: {some}"
    return left, remark


def _reviewed(
    references: list[ReferenceRecord], instances: Instances, review: Review
) -> tuple[list[ReferenceRecord], list[ReferenceRecord]]:
    """Return the references without their wrong sentences, and new ones for the wrong sentences."""
    right: list[ReferenceRecord] = []
    doubtful: list[ReferenceRecord] = []
    next_id = max((reference.id for reference in references), default=0) + 1
    for reference in references:
        wrong = tuple(each for each in reference.sentences if _is_wrong(review, reference, each, instances))
        stay = tuple(each for each in reference.sentences if each not in wrong)
        if stay:
            right.append(replace(reference, sentences=stay))
        if wrong:
            split, number = reference.split + DOUBTFUL, next_id + len(doubtful)
            doubtful.append(replace(reference, id=number, split=split, sentences=wrong))
    return right, doubtful


def read_drop_list(path: Path) -> frozenset[str]:
    """Return the ids in a file: a JSON list, or one id a line.

    An id is a reference's; with the prefix `sentence:` it is a sentence's. `said:REF_ID:TEXT` is the
    sentence with that text, where REF_ID is the reference's number in the data set (`ref_id`), as
    `cris audit` writes it.

    Raises:
        InputError: it has neither form.
    """
    if path.suffix == ".json":
        ids = read_json(path)
        if not isinstance(ids, list):
            raise InputError(f"{path} must hold a list of ids")
        ids = [each if isinstance(each, str) else as_whole(each) for each in ids]
        if None in ids:
            raise InputError(f"{path} must hold a list of ids")
        return frozenset(map(str, ids))
    lines = split_lines(decode_text(path.read_bytes(), str(path)))
    return frozenset(line.strip() for line in lines if line.strip())


def read_review(paths: Iterable[Path]) -> Review:
    """Return Ref-L4's reviewed annotations: files such as refcoco_val_reviewed.json, or folders of them.

    Raises:
        InputError: a file is malformed.
    """
    wrong: dict[tuple[int, str], list[tuple[int, Box]]] = {}
    count = 0
    for path in _files(paths):
        content = as_row(str(path), read_json(path))
        images = {}
        for number, fields in enumerate(content.rows("images")):
            image = as_row(f"{path}: images row {number}", fields)
            images[image.whole("id")] = (image.whole("original_id"), image.text("caption"))
        for number, fields in enumerate(content.rows("annotations")):
            row = as_row(f"{path}: annotations row {number}", fields)
            count += 1
            image_id = row.whole("image_id")
            if image_id not in images:
                raise row.error("image_id", "one of the images", image_id)
            picture_id, sentence = images[image_id]
            if row.flag("caption_quality"):
                continue
            known = wrong.setdefault((picture_id, _plain(sentence)), [])
            known.append((row.whole("original_id"), row.box("bbox")))
    return Review(count=count, wrong=wrong)


def _is_wrong(review: Review, reference: ReferenceRecord, sentence: Sentence, instances: Instances) -> bool:
    return any(
        review.is_wrong(reference.picture_id, sentence.text, each, instances.annotations[each].box)
        for each in reference.object_ids
    )


def _files(paths: Iterable[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        found = sorted(path.glob("*_reviewed.json")) if path.is_dir() else [path]
        if not found:
            raise InputError(f"{path} has no files named …_reviewed.json")
        files += found
    return files


def _plain(sentence: str) -> str:
    """Return a sentence regardless of spaces and capitals, in which releases differ."""
    return " ".join(sentence.lower().split())
