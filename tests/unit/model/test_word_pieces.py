"""Word pieces against transformers' BERT tokenizer, and as every tokenizer here behaves."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

from cris.errors import InputError
from cris.model.config import BertTextConfig
from cris.model.tokenizer import Tokenizer, clean
from tests.fixtures.wordpieces import PIECES

WHOLE = Tokenizer.from_word_pieces(PIECES)
SENTENCES = (
    "the red dog",
    "A MAN holding umbrellas",
    "the left-most dog's umbrella, please!",
    "crème brûlée; naïve Ångström",
    "Straße und Smørrebrød",
    "İstanbul ışık",
    "左のdog と 右",
    "한 사람",
    "zero\u200bwidth and \x07bell",
    "tab\tnew\nline",
    "soft\u00adhyphen and no\u00a0break",
    "[SEP] [CLS] the [MASK] dog [PAD]",
    "[UNK] [unused0] ##ing",
    "3.5x7 = 24½ €",
    "𝕯𝖔𝖌 🐕 dog",
    "x" * 101,
    "e\u0301 combined",
    "--- ... ---",
)
"""Accents, punctuation, CJK, control characters, control tokens, emoji, a word longer than BERT reads."""


@pytest.fixture(scope="module")
def legacy(tmp_path_factory: pytest.TempPathFactory) -> BertTokenizerLegacy:
    """BERT's own tokenizer, in Python, with the same pieces."""
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    path.write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return BertTokenizerLegacy(str(path), do_lower_case=True)


def pieces(tokenizer: Tokenizer, sentence: str) -> list[str]:
    """The sentence's pieces, between start and end."""
    row = tokenizer.encode([sentence], 300)[0].tolist()
    names = tokenizer.pieces
    return [names[index] for index in row[1 : row.index(tokenizer.end_id)]]


@pytest.mark.parametrize("sentence", SENTENCES)
def test_pieces_are_those_of_transformers(legacy: BertTokenizerLegacy, sentence: str):
    assert pieces(WHOLE, sentence) == legacy.tokenize(clean(sentence))


@settings(max_examples=200)
@given(sentence=st.text(st.sampled_from("abdehnt  .,'-[]#éüß左한\u0301\u200b\x07½"), min_size=1, max_size=40))
def test_pieces_of_any_sentence_are_those_of_transformers(legacy: BertTokenizerLegacy, sentence: str):
    try:
        cleaned = clean(sentence)
    except InputError:
        cleaned = ""
    # ftfy takes some for broken text and makes characters of it that only newer tables of Unicode know
    assume(all(unicodedata.ucd_3_2_0.category(character) != "Cn" for character in cleaned))
    expected = legacy.tokenize(cleaned)
    if expected:
        assert pieces(WHOLE, sentence) == expected
    else:
        with pytest.raises(InputError, match="must name something to find"):
            WHOLE.encode([sentence])


def test_control_tokens_in_a_sentence_stay_text():
    assert pieces(WHOLE, "red [SEP] dog") == ["red", "[", "s", "##e", "##p", "]", "dog"]
    row = WHOLE.encode(["[CLS] [SEP] [PAD] [MASK]"], 40)[0].tolist()
    assert row.count(WHOLE.end_id) == row.count(WHOLE.start_id) == 1
    assert BertTextConfig().hidden_word not in row


def test_control_tokens_come_first_and_last_in_every_vocabulary():
    for tokenizer in (WHOLE, WHOLE.reduced(["the red dog"]), WHOLE.reduced([])):
        names = tokenizer.pieces
        assert names[:3] == ["[PAD]", "[MASK]", "[UNK]"]
        assert names[-2:] == ["[CLS]", "[SEP]"]
        assert (tokenizer.start_id, tokenizer.end_id) == (len(names) - 2, len(names) - 1)
        assert names[BertTextConfig(vocabulary=len(names)).hidden_word] == "[MASK]"
    assert WHOLE.vocab_size == len(PIECES)


@settings(max_examples=50)
@given(kept=st.lists(st.sampled_from(SENTENCES), max_size=4), asked=st.sampled_from(SENTENCES))
def test_a_reduced_vocabulary_keeps_the_pieces_of_its_sentences_and_reads_all_others(
    kept: list[str], asked: str
):
    reduced = WHOLE.reduced(kept)
    for sentence in kept:
        assert pieces(reduced, sentence) == pieces(WHOLE, sentence)
    # other words fall to single characters, which spell the same
    spelled = ["".join(pieces(each, asked)).replace("##", "") for each in (reduced, WHOLE)]
    assert spelled[0] == spelled[1]


def test_a_reduced_vocabulary_is_what_its_sentences_need_and_single_characters():
    reduced = WHOLE.reduced(["holding umbrellas"])
    longer = [piece for piece in reduced.pieces[3:-2] if len(piece.removeprefix("##")) > 1]
    assert longer == ["holding", "um", "##brella"]  # "##s" is a single character
    assert WHOLE.reduced(["the red dog"]).reduced(["dog"]).pieces == WHOLE.reduced(["dog"]).pieces


def test_a_character_without_a_piece_is_unknown_and_hides_no_other_word():
    assert pieces(WHOLE, "the 猫 dog") == ["the", "[UNK]", "dog"]


@pytest.mark.parametrize("tokenizer", [WHOLE, WHOLE.reduced(SENTENCES[:3])], ids=["whole", "reduced"])
def test_a_saved_tokenizer_loads_the_same(tmp_path: Path, tokenizer: Tokenizer):
    tokenizer.save(tmp_path / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert loaded.pieces == tokenizer.pieces
    np.testing.assert_array_equal(loaded.encode(SENTENCES, 120), tokenizer.encode(SENTENCES, 120))


def test_a_long_sentence_is_cut_and_keeps_its_end():
    assert WHOLE.encode(["the red dog holding umbrellas"], 5)[0].tolist()[-1] == WHOLE.end_id
    assert WHOLE.cut("The red  dog holding", 5) == "holding"
    with pytest.raises(InputError, match=r"must fit 5 tokens, got 6: .*; shorten it by 'holding'"):
        WHOLE.encode(["the red dog holding"], 5, is_strict=True)


def test_a_sentence_of_invisible_characters_is_blank():
    for sentence in ("\u200b", "\u200d \u00ad", "\x07"):
        with pytest.raises(InputError, match="must name something to find"):
            WHOLE.encode([sentence])


def test_the_last_two_pieces_must_be_the_control_tokens(tmp_path: Path):
    WHOLE.save(tmp_path / "tokenizer.json")
    text = (tmp_path / "tokenizer.json").read_text(encoding="utf-8").replace("[SEP]", "[END]")
    (tmp_path / "tokenizer.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"last two tokens must be .* or \[CLS\] and \[SEP\]"):
        Tokenizer.load(tmp_path / "tokenizer.json")
