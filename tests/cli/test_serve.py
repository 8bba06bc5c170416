"""What `cris serve` is told on the command line."""

from pathlib import Path

import pytest

from cris.cli.serve import Command
from cris.errors import InputError


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_the_key_of_a_file_is_its_text_alone(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("secret\r\n", encoding=encoding)
    assert Command(model="cris-scenes", api_key_file=path)._key() == "secret"


def test_a_key_in_another_encoding_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("secret\n", encoding="utf-16")
    with pytest.raises(InputError, match="key must be in UTF-8, it is in UTF-16"):
        Command(model="cris-scenes", api_key_file=path)._key()
