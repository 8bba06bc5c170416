import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cris.model.tokenizer import CLIP_TABLE, Tokenizer, clean

CLIP = Tokenizer()
SCENES = CLIP.reduced(["the red star", "second ring from the left", "largest"])

sentences = st.text(min_size=1, max_size=60).filter(lambda text: has_content(text))


def has_content(text: str) -> bool:
    try:
        return bool(clean(text))
    except ValueError:
        return False


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


def names(tokenizer: Tokenizer, folder: Path) -> dict[int, str]:
    tokenizer.save(folder / "names.json")
    vocabulary = json.loads((folder / "names.json").read_text(encoding="utf-8"))["model"]["vocab"]
    return {index: token for token, index in vocabulary.items()}


def pieces(tokenizer: Tokenizer, names: dict[int, str], sentence: str) -> list[str]:
    row = tokenizer.encode([sentence], 400)[0].tolist()
    return [names[index] for index in row[1 : row.index(tokenizer.end_id)]]


def test_shipped_table_is_the_one_built_from_clips() -> None:
    digest = hashlib.sha256(CLIP_TABLE.read_bytes()).hexdigest()
    assert digest == "94b8ab6b61ed8cd8e7cf006ff158c014cd25dbb026c9d36917de992e98fc0cfe"


def test_clips_control_tokens_are_the_two_largest_ids() -> None:
    assert (CLIP.vocab_size, CLIP.start_id, CLIP.end_id) == (49408, 49406, 49407)


def test_rows_are_start_ids_end_and_zeros() -> None:
    ids = CLIP(["the man in red", "bag"], 7)
    assert ids.dtype == torch.int64
    assert ids.tolist() == [[49406, 518, 786, 530, 736, 49407, 0], [49406, 3365, 49407, 0, 0, 0, 0]]


def test_no_sentences_make_no_rows() -> None:
    assert CLIP([], 17).shape == (0, 17)


def test_encode_is_the_same_in_numpy() -> None:
    ids = CLIP.encode(["left dog"])
    assert ids.dtype == np.int64
    assert ids.tolist() == CLIP(["left dog"]).tolist()


def test_long_sentence_keeps_the_end_token() -> None:
    assert CLIP(["the man in red"], 5).tolist() == [[49406, 518, 786, 530, 49407]]


@pytest.mark.parametrize(
    ("sentence", "length", "rest"),
    [
        ("The man  in RED", 5, "red"),
        ("the man in red", 6, None),
        ("the farthest", 4, "thest"),  # cut inside a word
        ("左边", 4, "左边"),  # cut inside a character
    ],
)
def test_cut_names_what_falls_off(sentence: str, length: int, rest: str | None) -> None:
    assert CLIP.cut(sentence, length) == rest


def test_strict_refuses_a_long_sentence_and_names_the_excess() -> None:
    assert CLIP(["the man in red"], 6, is_strict=True).shape == (1, 6)
    with pytest.raises(ValueError, match=r"must fit 5 tokens, got 6: 'the man in red'; shorten it by 'red'"):
        CLIP(["the man in red"], 5, is_strict=True)


@pytest.mark.parametrize("sentence", ["", "   ", "\t\n", "&nbsp;", "\u3000"])
def test_blank_sentences_are_refused(sentence: str) -> None:
    with pytest.raises(ValueError, match="must name something to find"):
        CLIP([sentence])


def test_one_string_is_not_a_list_of_sentences() -> None:
    with pytest.raises(ValueError, match="must be a list of strings"):
        CLIP("dog")


def test_a_length_without_room_for_a_token_is_refused() -> None:
    with pytest.raises(ValueError, match="length must be at least 3"):
        CLIP(["dog"], 2)


@pytest.mark.parametrize("tokenizer", [CLIP, SCENES])
@pytest.mark.parametrize("control", ["<|startoftext|>", "<|endoftext|>"])
def test_control_tokens_in_a_sentence_stay_text(tokenizer: Tokenizer, control: str) -> None:
    row = tokenizer.encode([f"red {control} star"])[0].tolist()
    end = row.index(tokenizer.end_id)
    assert row[0] == tokenizer.start_id
    assert tokenizer.start_id not in row[1:]
    assert row[end + 1 :] == [0] * (77 - end - 1)
    assert end > 8


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("  Kid   with\tbackpack\n", "kid with backpack"),
        ("&amp;lt;b&amp;gt;", "<b>"),
        ("schÃ¶n", "schön"),
        ("“ﬁsh”", '"fish"'),
        ("broken \ud800 surrogate", "broken \ufffd surrogate"),
    ],
)
def test_cleaning_is_clips(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned


@given(st.lists(sentences, max_size=4), st.integers(3, 20))
def test_every_row_has_one_start_one_end_and_zeros_after_it(texts: list[str], length: int) -> None:
    for tokenizer in (CLIP, SCENES):
        for row in tokenizer.encode(texts, length).tolist():
            assert row[0] == tokenizer.start_id
            assert row.count(tokenizer.start_id) == row.count(tokenizer.end_id) == 1
            assert not any(row[row.index(tokenizer.end_id) + 1 :])


@settings(max_examples=10)
@given(st.lists(sentences, max_size=20))
def test_a_reduced_vocabulary_keeps_the_pieces_of_its_words(folder: Path, texts: list[str]) -> None:
    clip_names = names(CLIP, folder)
    reduced = CLIP.reduced(texts)
    reduced_names = names(reduced, folder)
    for text in texts:
        assert pieces(reduced, reduced_names, text) == pieces(CLIP, clip_names, text)


def test_a_reduced_vocabulary_spells_other_sentences(folder: Path) -> None:
    clip_names, scenes_names = names(CLIP, folder), names(SCENES, folder)

    @given(sentences)
    def check(text: str) -> None:
        assert "".join(pieces(SCENES, scenes_names, text)) == "".join(pieces(CLIP, clip_names, text))

    check()


def test_reduced_vocabulary_is_bytes_needed_merges_and_control_tokens() -> None:
    reduced = CLIP.reduced(["cat"])
    assert reduced.vocab_size == 512 + 2 + 2  # "c" + "at</w>" after "a" + "t</w>"
    assert (reduced.start_id, reduced.end_id) == (514, 515)
    assert CLIP.reduced([]).vocab_size == 514


def test_a_reduced_tokenizer_reduces_further(tmp_path: Path) -> None:
    once, twice = CLIP.reduced(["star"]), SCENES.reduced(["star"])
    once.save(tmp_path / "once.json")
    twice.save(tmp_path / "twice.json")
    assert (tmp_path / "once.json").read_bytes() == (tmp_path / "twice.json").read_bytes()


def test_a_saved_tokenizer_loads_the_same(tmp_path: Path) -> None:
    path = tmp_path / "Wörter.json"
    SCENES.save(path)
    loaded = Tokenizer.load(path)
    assert loaded.vocab_size == SCENES.vocab_size
    np.testing.assert_array_equal(loaded.encode(["the red zebra"]), SCENES.encode(["the red zebra"]))


def test_a_file_that_is_no_tokenizer_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    with pytest.raises(ValueError, match=r"cannot read the tokenizer .*tokenizer\.json"):
        Tokenizer.load(path)
    path.write_text("{}")
    with pytest.raises(ValueError, match=r"tokenizer\.json is no tokenizer\.json of CLIP's or BERT's kind"):
        Tokenizer.load(path)


def test_a_table_that_would_read_control_tokens_from_sentences_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    CLIP.reduced([]).save(path)
    table = json.loads(path.read_text(encoding="utf-8"))
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    table["added_tokens"] = [{"id": 513, "content": "<|endoftext|>", "special": True, **flags}]
    path.write_text(json.dumps(table), encoding="utf-8")
    with pytest.raises(ValueError, match="added tokens are not allowed"):
        Tokenizer.load(path)


def test_a_table_without_clips_control_tokens_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    CLIP.reduced([]).save(path)
    text = path.read_text(encoding="utf-8").replace("<|endoftext|>", "</s>")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"last two tokens must be .*endoftext"):
        Tokenizer.load(path)


def test_the_build_tool_refuses_another_merge_table(tmp_path: Path) -> None:
    tool = Path(__file__).parents[3] / "tools" / "build_tokenizer.py"
    other = tmp_path / "merges.txt.gz"
    other.write_bytes(b"something else")
    command = [sys.executable, str(tool), str(other), "--out", str(tmp_path / "tokenizer.json")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "must have sha256 924691ac" in result.stderr
    assert not (tmp_path / "tokenizer.json").exists()
