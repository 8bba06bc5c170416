"""What the front matter of a model card says."""

from pathlib import Path

import pytest

from cris.card import DOMAIN, SUMMARY, read_front_matter
from cris.registry import SCENES_MODEL, resolve


@pytest.mark.parametrize(
    ("card", "fields"),
    [
        (
            "---\nlicense: mit\nsummary: Knows cats: two.\n---\n# cats\n",
            {"license": "mit", "summary": "Knows cats: two."},
        ),
        ("---\ntags:\n  - a: b\n# remark: no\n---\n", {}),
        ("# cats\nlicense: mit\n", {}),
        ("---\nlicense: mit\n", {}),
        ("text\n---\nlicense: mit\n---\n", {}),
        ("", {}),
    ],
)
def test_fields_are_read_between_the_lines(card: str, fields: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(card)
    assert read_front_matter(tmp_path) == fields


def test_what_has_no_card_has_no_fields(tmp_path: Path) -> None:
    assert read_front_matter(tmp_path) == read_front_matter(tmp_path / "nowhere") == {}


def test_card_of_scenes_names_its_domain() -> None:
    fields = read_front_matter(resolve(SCENES_MODEL))
    assert fields[DOMAIN] == "rendered scenes"
    assert "0.62" in fields[SUMMARY]
