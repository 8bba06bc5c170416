from pathlib import Path

import pytest

from cris.batch.sentences import Sentences, read_sentences


def read(tmp_path: Path, name: str, text: str) -> Sentences:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_sentences(str(path))


def test_lines_are_asked_of_all_images_and_none_twice(tmp_path):
    sentences = read(
        tmp_path, "asked.txt", "\ufeffthe red ring\n\n  the  blue\tsquare \r\nthe red ring\nröd ring"
    )
    assert sentences == Sentences(for_all=("the red ring", "the blue square", "röd ring"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "a.jsonl",
            '{"picture": "b.jpg", "sentence": "the cup"}\n\n{"picture": "a.jpg", "sentence": "the dog"}\n'
            '{"picture": "b.jpg", "sentence": " the  cup"}\n'
            '{"picture": "b.jpg", "sentence": "a \\"box\\"", "x": 1}\n',
        ),
        ("a.csv", 'id,picture,sentence\n1,b.jpg,the cup\n2,a.jpg,the dog\n3,b.jpg,"a ""box"""\n'),
    ],
)
def test_rows_are_asked_of_their_image(name, text, tmp_path):
    sentences = read(tmp_path, name, text)
    assert sentences == Sentences(by_image={"b.jpg": ("the cup", 'a "box"'), "a.jpg": ("the dog",)})
    assert sentences.all() == ["the cup", 'a "box"', "the dog"]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.txt", "\n \n", "has no sentences"),
        ("a.jsonl", "", "has no sentences"),
        ("a.csv", "picture,sentence\n", "has no sentences"),
        ("a.txt", b"\xff\xfe\x00", "must be in UTF-8, it is in UTF-16: save the file as UTF-8"),
        ("a.csv", "picture,sentence\na.jpg,the box, left of it\n", "line 2 must have 2 fields .* got 3"),
        ("a.jsonl", '{"picture": "a"}', "line 1: sentence must be text"),
        ("a.jsonl", '\n{"picture": "a", "sentence": " "}', "line 2: sentence must be text that is not blank"),
        ("a.jsonl", '{"picture": 3, "sentence": "x"}', "line 1: picture must be text"),
        ("a.jsonl", "[]", "line 1: picture must be text"),
        ("a.jsonl", "{", "line 1 is not JSON"),
        ("a.csv", "picture,text\na,b\n", "sentence is missing"),
        ("a.csv", "picture,sentence\na.jpg,\n", "line 2: sentence must be text"),
        ("a.csv", 'picture,sentence\na.jpg,"the', "is not CSV"),
    ],
)
def test_wrong_files_are_told_with_the_line(name, text, told, tmp_path):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=told):
        read_sentences(str(path))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_sentences(str(tmp_path / "nowhere.txt"))


def test_separators_of_word_and_pdf_end_no_line(tmp_path):
    text = "the red\u2028box\nthe blue\x85crate\nthe\x0bgreen box\n"
    assert read(tmp_path, "a.txt", text).for_all == ("the red box", "the blue crate", "the green box")
    asked = read(tmp_path, "a.csv", "picture,sentence\na.jpg,the red\u2028box\n").by_image
    assert asked == {"a.jpg": ("the red box",)}
