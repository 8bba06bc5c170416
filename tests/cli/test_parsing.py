"""Wrong options and values are told in one line, with what was meant."""

import pytest

from cris.cli.parsing import COMMON_NAMES, in_one_line
from tests.cli.conftest import Cris


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("segment", "a.jpg", "b", "--overwrit"), "there is no option --overwrit: did you mean --overwrite?"),
        (("segment", "a.jpg", "b", "--conf", "0.3"), "there is no option --conf: did you mean --min-score?"),
        (("segment", "a.jpg", "b", "--weights=x"), "there is no option --weights: did you mean --model?"),
        (("segment", "a.jpg", "b", "--zzz"), "cris segment --help lists the options"),
        (("segment", "a.jpg", "b", "--min-score", "x"), "--min-score: expected a number, got 'x'"),
        (("eval", "a", "b", "--limit", "1.5"), "--limit: expected a whole number, got '1.5'"),
        (("eval", "a", "b", "--limit"), "--limit needs a value"),
        (("eval", "a"), "expected DIR|scenes, got nothing"),
        (("eval",), "expected MODEL and DIR|scenes, got nothing"),
        (("eval", "a", "b", "c"), "expected nothing more, got 'c'"),
        (("data", "scenes", "--count", "3"), "expected --out DIR, got nothing"),
        (("table", "--figure", "miou", "x"), "--figure must be one of mean_iou, overall_iou,"),
        (("table", "--figure", "mean_io", "x"), "got 'mean_io'; did you mean mean_iou?"),
        (
            ("data", "refer", "--download", "refcocog", "--out", "x"),
            "got 'refcocog'; did you mean refcocog-google or refcocog-umd?",
        ),
        (("convert", "foo"), "expected nothing more, got 'foo': choose released, clip"),
        (("convert",), "expected one of released, clip, imagenet after cris convert, got nothing"),
        (("train", "cris-scenes", "--lr", "3"), "no option --lr: did you mean --optimizer.learning-rate?"),
        (("train", "cris-scenes", "--batch-size=3"), "did you mean --sampling.pictures?"),
        (("train", "cris-scenes", "--model.image.widht", "3"), "did you mean --model.image.width?"),
        (("train", "cris-scenes", "--workers", "3"), "did you mean --sampling.workers?"),
        (
            ("train", "cris-scenes", "--precision", "fp17"),
            "--precision must be one of fp32, bf16, fp16, fp64",
        ),
        (("train", "cris-scenes", "--gradient-clip", "1"), "did you mean --optimizer.gradient-clip?"),
        (("reproduce", "scenes-tiny-fixed", "--out", "x", "--scal", "1"), "did you mean --scale?"),
    ],
)
def test_wrong_use_is_one_line_that_says_what_was_meant(
    words: tuple[str, ...], told: str, cris: Cris
) -> None:
    outcome = cris(*words)
    assert outcome.is_short_error(2)
    assert told in outcome.err


@pytest.mark.parametrize("box", [False, True])
def test_a_box_is_read_in_either_drawing(box: bool) -> None:
    plain = """\
 Value error
 -----------------------------------
  Error parsing --limit: no such day
  -----------------------------------
  Argument helptext:
      --limit INT
"""
    drawn = """\
╭─ Value error ─────────────────────╮
│ Error parsing --limit: no such day │
│ ───────────────────────────────── │
│ Argument helptext:                 │
╰───────────────────────────────────╯
"""
    assert in_one_line(drawn if box else plain, "cris eval") == "--limit: no such day"


def test_common_names_are_of_options_that_some_command_has(cris: Cris) -> None:
    commands = ((), ("train", "cris-scenes"), ("segment",), ("eval",), ("serve",), ("data", "scenes"))
    helps = "".join(cris(*words, "--help").out for words in commands)
    assert not [ours for names in COMMON_NAMES.values() for ours in names if f"--{ours} " not in helps]


def test_help_and_version_have_their_usual_names(cris: Cris) -> None:
    assert cris("help").out == cris("--help").out
    assert cris("help", "segment").out == cris("segment", "--help").out
    assert cris("help", "data", "scenes").out == cris("data", "scenes", "--help").out
    assert cris("data", "help", "scenes").out == cris("data", "scenes", "--help").out
    assert cris("-v").out == cris("--version").out
    assert cris("help", "segmnt").is_short_error(2)
