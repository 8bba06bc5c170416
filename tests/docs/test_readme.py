"""Everything the README shows works as shown."""

from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from tests.docs.blocks import REPOSITORY, SHELLS, Block, commands, fenced_blocks, run_block

BLOCKS = fenced_blocks((REPOSITORY / "README.md").read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a reader might stand: street.jpg, and photos/ with two images."""
    image = Image.new("RGB", (320, 240), "skyblue")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 170, 320, 240), fill="gray")
    draw.ellipse((60, 90, 140, 190), fill="red")
    draw.rectangle((200, 110, 270, 190), fill="navy")
    (tmp_path / "photos").mkdir()
    for name in ("street.jpg", "photos/street.jpg", "photos/square.jpg"):
        image.save(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("block", BLOCKS, ids=[f"line-{block.line}-{block.language}" for block in BLOCKS])
def test_block_runs_as_shown(block: Block, folder: Path) -> None:
    run_block(block, folder)


def test_readme_shows_the_two_make_commands_the_command_line_and_python() -> None:
    shown = [command for block in BLOCKS if block.language in SHELLS for command in commands(block.text)]
    assert {"make demo", "make test"} <= set(shown)
    assert any(command.startswith("cris segment ") for command in shown)
    assert any("Segmenter" in block.text for block in BLOCKS if block.language == "python")
