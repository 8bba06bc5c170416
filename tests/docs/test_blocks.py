"""The finder and runner of code blocks, on documents made here."""

from pathlib import Path

import pytest

from tests.docs.blocks import Block, commands, fenced_blocks, run_block, shorten


def test_blocks_come_with_line_language_and_text() -> None:
    document = (
        "Text\n```python\nx = 1\n\ny = 2\n```\n`inline`\n~~~~bash\n```\n~~~~\n- item\n   ```\n   z\n   ```"
    )
    assert fenced_blocks(document) == [
        Block(2, "python", "x = 1\n\ny = 2"),
        Block(8, "bash", "```"),
        Block(12, "", "z"),
    ]


def test_block_that_is_never_closed_is_an_error() -> None:
    with pytest.raises(ValueError, match="line 1 is never closed"):
        fenced_blocks("```python\nx = 1")


def test_commands_are_joined_split_and_stripped() -> None:
    script = "# set up\n$ git clone there && cd cris\n\ncris segment a.jpg \\\n  'a cup' --out masks"
    assert list(commands(script)) == [
        "git clone there",
        "cd cris",
        "cris segment a.jpg    'a cup' --out masks",
    ]


@pytest.mark.parametrize(
    ("shown", "run"),
    [
        (
            "cris train cris-scenes --max-steps 90000 --out a",
            "cris train cris-scenes --out a --max-steps 1 --validation.samples 8",
        ),
        ("cris eval cris-scenes scenes --json", "cris eval cris-scenes scenes --json --limit 8"),
        ("cris models", "cris models"),
        ("cris demo --out gallery", "cris demo --out gallery --limit 8"),
        ("cris train --help", "cris train --help"),
    ],
)
def test_long_commands_are_shortened(shown: str, run: str) -> None:
    assert shorten(shown) == run


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", "from pathlib import Path\nPath('made').touch()"),
        ("bash", "git clone somewhere && cd cris\nmake demo\nmake test WORKERS=4"),
        ("bash", "pip install cris\npip install -c constraints.txt -e '.[dev,demo]'"),
        ("bash", """python -c 'open("made", "w")' > log"""),
        ("bash", "cris models\ncris models --json > made"),
        ("json", '{"mean_iou": 0.5}'),
        ("text", "anything"),
    ],
)
def test_right_blocks_pass(language: str, text: str, tmp_path: Path) -> None:
    run_block(Block(1, language, text), tmp_path)
    assert (tmp_path / "made").exists() == ("made" in text)


@pytest.mark.parametrize(
    ("language", "text", "message"),
    [
        ("python", "x = 1 / 0", "ZeroDivisionError"),
        ("bash", "make coffee", "not \\['coffee'\\]"),
        ("bash", "pip install cris[coffee]", "got cris\\[coffee\\]"),
        ("bash", "pip install -c nowhere.txt cris", "no file nowhere.txt"),
        ("bash", "pip uninstall cris", "expected pip install"),
        ("bash", "python -c 'raise SystemExit(3)'", "ended with 3"),
        ("bash", "cris modells", "cris modells ended with 2:\ncris: error: "),
        ("bash", "cris modells 2> log", "ended with 2"),
        ("bash", "curl somewhere", "no rule"),
        ("json", "{", "Expecting property name"),
        ("", "x", "needs a language"),
    ],
)
def test_wrong_blocks_fail(language: str, text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        run_block(Block(1, language, text), tmp_path)
