"""Tokenizer: CLIP's byte pairs or BERT's word pieces, with whole or reduced vocabularies."""

import html
import json
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import ftfy
import numpy as np
import tokenizers
from jaxtyping import Int64
from tokenizers import Regex, models, normalizers, pre_tokenizers

from cris.errors import InputError

if TYPE_CHECKING:
    import torch

CLIP_TABLE = Path(__file__).parent / "assets" / "tokenizer.json"
CONTEXT_LENGTH = 77
"""Length of CLIP's text context in tokens, start and end included."""

START, END = "<|startoftext|>", "<|endoftext|>"
CONTROL = ([START, END], ["[CLS]", "[SEP]"])
"""Start and end token, the last two of a vocabulary: CLIP's, and BERT's."""
PAD, HIDDEN, UNKNOWN = "[PAD]", "[MASK]", "[UNK]"
"""Names of the first three word pieces: padding, a hidden word, and a character that no piece has."""
WORD_END = "</w>"
# CLIP's pattern without its two control tokens: written in a sentence, they are text like any other.
WORDS = r"(?i)'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"

_PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
BYTES = [chr(byte) for byte in _PRINTABLE] + [chr(256 + n) for n in range(256 - len(_PRINTABLE))]
"""One visible character per byte, in the order of CLIP's ids."""

BLANK = "a sentence must name something to find, got the blank {!r}"

Merge = tuple[str, str]


class Tokenizer:
    """Tokenizer that turns sentences into rows of ids: start, the sentence's ids, end, then zeros.

    Zero is also the id of "!", so padding is recognised by the end token, the largest id.
    """

    def __init__(self, table: tokenizers.Tokenizer | None = None) -> None:
        self._table = _clip_table() if table is None else table
        self.vocab_size: int = self._table.get_vocab_size()
        """Number of tokens."""
        self.start_id, self.end_id = self.vocab_size - 2, self.vocab_size - 1
        if [self._table.id_to_token(each) for each in (self.start_id, self.end_id)] not in CONTROL:
            names = " or ".join(" and ".join(pair) for pair in CONTROL)
            raise InputError(f"the last two tokens must be {names}")
        if self._table.get_added_tokens_decoder():
            raise InputError("added tokens are not allowed: a sentence could then contain control tokens")

    @classmethod
    def from_merges(cls, merges: Sequence[Merge]) -> "Tokenizer":
        """Return the tokenizer of a merge table: byte tokens, merges and control tokens in CLIP's order."""
        tokens = [*BYTES, *(byte + WORD_END for byte in BYTES), *map("".join, merges), START, END]
        table = tokenizers.Tokenizer(
            models.BPE(
                vocab={token: index for index, token in enumerate(tokens)},
                merges=list(merges),
                end_of_word_suffix=WORD_END,
            )
        )
        table.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        return cls(table)

    @classmethod
    def from_word_pieces(cls, pieces: Sequence[str]) -> "Tokenizer":
        """Return BERT's uncased tokenizer with these pieces, control tokens left out; see `CONTROL`."""
        (start, end), first = CONTROL[1], [PAD, HIDDEN, UNKNOWN]
        own = [piece for piece in pieces if piece not in (*first, start, end)]
        tokens = [*first, *own, start, end]
        table = tokenizers.Tokenizer(
            models.WordPiece(vocab={token: index for index, token in enumerate(tokens)}, unk_token=UNKNOWN)
        )
        table.normalizer = normalizers.BertNormalizer()
        table.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        return cls(table)

    @property
    def pieces(self) -> list[str]:
        """Return all tokens in the order of their ids."""
        vocabulary = self._table.get_vocab()
        return sorted(vocabulary, key=vocabulary.__getitem__)

    @classmethod
    def load(cls, path: str | Path) -> "Tokenizer":
        """Load the tokenizer from a `tokenizer.json` file; raise InputError when it is not one of ours."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read the tokenizer {path}: {error}") from error
        try:
            return cls(tokenizers.Tokenizer.from_str(text))
        except Exception as error:  # the library raises plain Exception for every malformed file
            raise InputError(f"{path} is no tokenizer.json of CLIP's or BERT's kind: {error}") from error

    def save(self, path: str | Path) -> None:
        """Write the `tokenizer.json` that `load` reads."""
        Path(path).write_text(self._table.to_str(), encoding="utf-8", newline="\n")

    def __call__(
        self, sentences: Sequence[str], length: int = CONTEXT_LENGTH, *, is_strict: bool = False
    ) -> "torch.Tensor":
        """Encode sentences like `encode`, as an int64 tensor (batch, length)."""
        import torch  # here, so that exported models tokenize where there is no torch

        return torch.from_numpy(self.encode(sentences, length, is_strict=is_strict))

    def encode(
        self, sentences: Sequence[str], length: int = CONTEXT_LENGTH, *, is_strict: bool = False
    ) -> Int64[np.ndarray, "batch length"]:
        """Return the ids of each sentence, cut to `length` tokens with the end token kept, or zero-padded.

        Raises InputError for a blank sentence and, when strict, for one that is too long.
        """
        if isinstance(sentences, str):
            raise InputError(f"sentences must be a list of strings, got one string {sentences!r}")
        if length < 3:
            raise InputError(f"length must be at least 3 (start, one token, end), got {length}")
        rows = np.zeros((len(sentences), length), dtype=np.int64)
        for row, sentence in zip(rows, sentences, strict=True):
            ids = self._encode(clean(sentence)).ids
            if not ids:  # BERT passes over characters that cannot be seen
                raise InputError(BLANK.format(sentence))
            if is_strict and len(ids) > length - 2:
                raise InputError(
                    f"sentence must fit {length} tokens, got {len(ids) + 2}: {sentence!r}; "
                    f"shorten it by {self.cut(sentence, length)!r}"
                )
            ids = ids[: length - 2]
            row[: len(ids) + 2] = [self.start_id, *ids, self.end_id]
        return rows

    def cut(self, sentence: str, length: int = CONTEXT_LENGTH) -> str | None:
        """Return the end of the (cleaned) sentence that does not fit `length` tokens; None when all fits."""
        text = clean(sentence)
        offsets = self._encode(text).offsets
        return text[offsets[length - 2][0] :] if len(offsets) > length - 2 else None

    def reduced(self, words: Iterable[str]) -> "Tokenizer":
        """Return a tokenizer that keeps only the tokens these words (or sentences) need.

        They are split into the same pieces as before, under other ids; other text falls back to shorter
        pieces, ultimately bytes or characters, so every sentence still tokenizes.
        """
        if isinstance(self._table.model, models.WordPiece):
            needed = {token for word in words for token in self._encode(clean(word)).tokens}
            return Tokenizer.from_word_pieces(
                [piece for piece in self.pieces if piece in needed or len(piece.removeprefix("##")) == 1]
            )
        needed = {token for word in words for token in self._encode(clean(word)).tokens}
        kept: list[Merge] = []
        for left, right in reversed(_merges(self._table)):
            if left + right in needed:  # both halves come of earlier merges
                kept.append((left, right))
                needed.update((left, right))
        return Tokenizer.from_merges(kept[::-1])

    def _encode(self, text: str) -> tokenizers.Encoding:
        # one by one: the library's batch call starts threads, which do not survive a loader's fork
        return self._table.encode(text, add_special_tokens=False)


@cache
def _clip_table() -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_file(str(CLIP_TABLE))


@lru_cache(maxsize=1)  # of CLIP's table, they take a tenth of a second to read
def _merges(table: tokenizers.Tokenizer) -> list[Merge]:
    return [(left, right) for left, right in json.loads(table.to_str())["model"]["merges"]]


def clean(sentence: str) -> str:
    """Clean a sentence as CLIP does: mended text, HTML entities read twice, single spaces, lower case.

    Raises InputError when nothing is left.
    """
    text = html.unescape(html.unescape(ftfy.fix_text(sentence)))
    text = " ".join(text.split()).lower()
    if not text:
        raise InputError(BLANK.format(sentence))
    return text
