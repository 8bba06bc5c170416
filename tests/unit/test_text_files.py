"""Text that people wrote, as editors, spreadsheets and PowerShell write it."""

import json

import pytest

from cris.errors import InputError
from cris.text_files import csv_rows, decode_text, json_lines, split_lines


@pytest.mark.parametrize("content", ["röd ring".encode(), "röd ring".encode("utf-8-sig")])
def test_utf8_is_read_with_and_without_its_mark(content):
    assert decode_text(content, "a.txt") == "röd ring"


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ("utf-16", "a.txt must be in UTF-8, it is in UTF-16: save the file as UTF-8"),
        ("latin-1", "a.txt must be in UTF-8, byte 1 is not: save the file as UTF-8"),
        ("cp1252", "a.txt must be in UTF-8"),
        ("utf-32", "a.txt must be in UTF-8"),
    ],
)
def test_other_encodings_are_refused_by_name(encoding, message):
    with pytest.raises(InputError, match=message):
        decode_text("röd ring".encode(encoding), "a.txt")


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_only_newlines_end_a_line(sign):
    text = f"the red{sign}box\nthe blue crate\r\nthe cup\rthe end"
    assert split_lines(text) == [f"the red{sign}box", "the blue crate", "the cup", "the end"]
    rows = list(csv_rows(f"picture,sentence\r\na.jpg,the red{sign}box\r\n", "line", ["picture"]))
    assert rows == [("line 2", {"picture": "a.jpg", "sentence": f"the red{sign}box"})]
    line = json.dumps([f"the red{sign}box"], ensure_ascii=False)
    assert list(json_lines(f"{line}\n", "line")) == [("line 1", [f"the red{sign}box"])]


def test_a_row_with_too_many_fields_is_an_error_and_the_next_one_is_read():
    text = "picture,sentence\na.jpg,the box, left of it\n\nb.jpg,the cup\nc.jpg\n"
    (first, error), *others = csv_rows(text, "line", ["picture", "sentence"])
    assert first == "line 2"
    assert isinstance(error, InputError)
    expected = r"line 2 must have 2 fields \(picture, sentence\), got 3: put a sentence with a comma in "
    with pytest.raises(InputError, match=expected):
        raise error
    assert others == [
        ("line 4", {"picture": "b.jpg", "sentence": "the cup"}),
        ("line 5", {"picture": "c.jpg", "sentence": ""}),
    ]


def test_quoted_sentences_keep_their_commas_and_newlines():
    (row,) = csv_rows('picture,sentence\na.jpg,"the box, left\nof it"\n', "line", ["picture"])
    assert row == ("line 3", {"picture": "a.jpg", "sentence": "the box, left\nof it"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a;b\n", "line 1 must name picture; picture is missing, got a;b"),
        ("", "got nothing"),
        ('picture\n"a', "is not CSV"),
    ],
)
def test_what_is_no_table_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        list(csv_rows(text, "line", ["picture"]))


@pytest.mark.parametrize("line", ["{", "[" * 100_000, "1" + "0" * 5000])
def test_a_line_that_is_no_json_is_an_error_and_the_next_one_is_read(line):
    (where, error), second = json_lines(f"{line}\n[2]\n", "line")
    assert where == "line 1"
    assert isinstance(error, InputError)
    assert second == ("line 2", [2])
