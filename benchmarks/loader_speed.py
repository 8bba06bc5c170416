"""Samples a second that one core prepares for training at 416, against a plain pipeline, taking turns.

python -m benchmarks.loader_speed [TURNS]

The plain pipeline does for each sample what training code commonly does: cv2.imdecode, a cubic warpAffine of
the image and a linear one of its PNG mask, conversion to normalised float32, CLIP's tokenizer in Python
(with its cache of words). Ours is `cris.data.loading.loader` on the stored form. Both end with batches.
"""

import html
import json
import re
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import islice, pairwise
from pathlib import Path

import cv2
import ftfy
import numpy as np
import torch

from benchmarks.turns import ratio, take_turns
from cris.data.loading.loader import Loader, Prepare
from cris.data.loading.sampling import Rule, Stream
from cris.data.sources.coco import SplitConfig, convert_coco
from cris.data.store.manifest import SourceInfo
from cris.data.store.writing import write_dataset
from cris.data.stored import StoredSplit
from cris.letterbox import MEAN_RGB, STD_RGB
from cris.model.config import InferenceConfig
from cris.model.tokenizer import BYTES, CLIP_TABLE, END, START, WORD_END, Tokenizer

REAL = Path(__file__).resolve().parents[2] / "shared" / "real"
SIZE, LENGTH, BATCH = 416, 17, 16
SAMPLES = 192
"""In each turn."""
MEAN = torch.tensor(MEAN_RGB).reshape(3, 1, 1)
STD = torch.tensor(STD_RGB).reshape(3, 1, 1)


SENTENCES_EACH = 3


def write_photographs(folder: Path) -> Path:
    """Store the real photographs; each object gets sentences that people wrote for RefCOCOg."""
    coco = json.loads((REAL / "instances.json").read_text(encoding="utf-8"))
    written = iter(json.loads((REAL / "refcocog_sentences.json").read_text(encoding="utf-8"))["sentences"])
    names = {image["id"]: image["file_name"] for image in coco["images"]}
    sentences = folder / "sentences.jsonl"
    sentences.write_text(
        "".join(
            json.dumps({"image": names[each["image_id"]], "annotation_id": each["id"], "sentence": sentence})
            + "\n"
            for each in coco["annotations"]
            if not each["iscrowd"]
            for sentence in islice(written, SENTENCES_EACH)
        ),
        encoding="utf-8",
    )
    conversion = convert_coco(
        REAL / "instances.json",
        REAL / "images",
        sentences=sentences,
        split_config=SplitConfig(shares=(1.0, 0.0, 0.0)),
    )
    out = folder / "real"
    write_dataset(out, conversion.images, SourceInfo(kind="coco"), command="loader_speed")
    return out


class PlainTokenizer:
    """CLIP's byte-pair encoding, merge after merge in Python."""

    def __init__(self) -> None:
        model = json.loads(CLIP_TABLE.read_text(encoding="utf-8"))["model"]
        self.ids: dict[str, int] = model["vocab"]
        self.ranks = {tuple(merge): rank for rank, merge in enumerate(model["merges"])}
        printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
        others = [byte for byte in range(256) if byte not in printable]
        self.letters = dict(zip([*printable, *others], BYTES, strict=True))
        self.pattern = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|(?:[^\s\w]|_)+")
        self.cache: dict[str, list[int]] = {}

    def __call__(self, sentence: str) -> torch.Tensor:
        """Return a row of LENGTH ids."""
        text = html.unescape(html.unescape(ftfy.fix_text(sentence)))
        text = re.sub(r"\s+", " ", text).strip().lower()
        ids = [one for word in self.pattern.findall(text) for one in self.word(word)][: LENGTH - 2]
        row = torch.zeros(LENGTH, dtype=torch.long)
        row[: len(ids) + 2] = torch.tensor([self.ids[START], *ids, self.ids[END]])
        return row

    def word(self, text: str) -> list[int]:
        """Its pieces' ids."""
        if text not in self.cache:
            parts = [self.letters[byte] for byte in text.encode()]
            parts[-1] += WORD_END
            while len(parts) > 1:
                pairs = list(pairwise(parts))
                best = min(pairs, key=lambda pair: self.ranks.get(pair, len(self.ranks)))
                if best not in self.ranks:
                    break
                merged, place = [], 0
                while place < len(parts):
                    is_pair = tuple(parts[place : place + 2]) == best
                    merged.append("".join(best) if is_pair else parts[place])
                    place += 2 if is_pair else 1
                parts = merged
            self.cache[text] = [self.ids[part] for part in parts]
        return self.cache[text]


def prepare_plain(folder: Path) -> Callable[[], object]:
    """Batches of single samples, every part of each made anew."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    dataset, tokenizer = StoredSplit(folder, "train"), PlainTokenizer()
    order = np.random.default_rng(0).permutation(len(dataset))[:SAMPLES]
    samples = []
    for place in order:
        sample = dataset[place]
        record = dataset.stored.image(int(dataset.index.image[place]))
        png = cv2.imencode(".png", sample.mask * np.uint8(255))[1].tobytes()
        samples.append((record.image, png, sample.sentence))

    def one(data: bytes, png: bytes, sentence: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        mask = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert image is not None
        assert mask is not None
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        height, width = image.shape[:2]
        scale = min(SIZE / height, SIZE / width)
        left, top = (SIZE - scale * width) / 2, (SIZE - scale * height) / 2
        matrix = np.array([[scale, 0, left], [0, scale, top]])
        border = [255 * mean for mean in MEAN_RGB]
        image = cv2.warpAffine(image, matrix, (SIZE, SIZE), flags=cv2.INTER_CUBIC, borderValue=border)
        mask = cv2.warpAffine(mask, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR)
        pixels = torch.from_numpy(image.transpose(2, 0, 1)).float().div_(255.0).sub_(MEAN).div_(STD)
        return pixels, tokenizer(sentence), torch.from_numpy(mask / 255.0).float()[None]

    def work() -> None:
        for first in range(0, SAMPLES, BATCH):
            parts = [one(*sample) for sample in samples[first : first + BATCH]]
            for column in zip(*parts, strict=True):
                torch.stack(column)

    return work


def prepare_ours(folder: Path, sentences: int) -> Callable[[], object]:
    """Return the loader without worker processes, so that one core does all."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    dataset = StoredSplit(folder, "train")
    rule: Rule = "all sentences" if sentences == 1 else "k sentences per picture"
    stream = Stream(dataset.index, rule, sentences=sentences)
    prepare = Prepare(
        tokenizer=Tokenizer(), inference=InferenceConfig(input_size=SIZE, sentence_length=LENGTH)
    )
    loader = Loader(dataset, stream, prepare, groups=BATCH // sentences)

    def work() -> None:
        loader.position = 0
        for _ in islice(loader, SAMPLES // BATCH):
            pass

    return work


def main() -> None:
    """Print the table for the docs."""
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_photographs(Path(scratch))
        engines = {"plain": partial(prepare_plain, folder)}
        engines |= {f"cris, {n} to an image": partial(prepare_ours, folder, n) for n in (1, 2, 4, 8)}
        measured = take_turns(engines, turns)
    print(
        f"{SIZE}×{SIZE}, {LENGTH} tokens, batches of {BATCH} samples, {SAMPLES} samples in {turns} turns each"
    )
    print("| pipeline | samples/s on a core | times the plain one |")
    print("|---|---|---|")
    for name, figures in measured.items():
        print(f"| {name} | {SAMPLES / figures.median:.0f} | {1 / ratio(measured, name, 'plain'):.2f} |")


if __name__ == "__main__":
    main()
