"""Tutorials run from their first block to their last, in one folder, as a reader would."""

from pathlib import Path

import pytest

from tests.docs.blocks import REPOSITORY, fenced_blocks, run_block

TUTORIALS = sorted((REPOSITORY / "docs" / "tutorials").glob("*.md"))
EXTEND = REPOSITORY / "docs" / "tutorials" / "extend.md"


@pytest.mark.parametrize(
    "tutorial", [each for each in TUTORIALS if each != EXTEND], ids=lambda path: path.stem
)
def test_tutorial_runs_as_shown(tutorial: Path, tmp_path: Path) -> None:
    for block in fenced_blocks(tutorial.read_text(encoding="utf-8")):
        run_block(block, tmp_path)


def test_code_of_the_tutorial_on_extending_is_cut_out_of_the_example() -> None:
    example = (REPOSITORY / "examples" / "extend.py").read_text(encoding="utf-8")
    blocks = [each for each in fenced_blocks(EXTEND.read_text(encoding="utf-8")) if each.language == "python"]
    assert len(blocks) > 3
    assert [block.line for block in blocks if block.text not in example] == []
