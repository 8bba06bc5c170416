"""The changelog is kept as Keep a Changelog has it."""

import re

import pytest

from tools.changelog import CHANGELOG, problems, read

GOOD = """# Changelog

## [Unreleased]

### Added

- A thing.

## [0.2.0] - 2026-02-01

### Added

- Another.

### Fixed

- A fault.

## [0.1.0] - 2026-01-01

The first.
"""


def test_ours_is() -> None:
    assert problems(CHANGELOG.read_text(encoding="utf-8")) == []


def test_versions_come_with_dates_and_notes() -> None:
    releases = read(GOOD)
    assert problems(GOOD) == []
    assert [(each.version, each.date, each.kinds) for each in releases] == [
        ("Unreleased", None, ["Added"]),
        ("0.2.0", "2026-02-01", ["Added", "Fixed"]),
        ("0.1.0", "2026-01-01", []),
    ]
    assert releases[1].notes == "### Added\n\n- Another.\n\n### Fixed\n\n- A fault."


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        ("# Changelog\n", "# Changes\n", "first line"),
        ("## [Unreleased]\n", "## Next\n", r"'## \[Unreleased\]'"),
        (" - 2026-02-01", "", "YYYY-MM-DD"),
        (" - 2026-02-01", " - 1 Feb", "YYYY-MM-DD"),
        ("[0.2.0]", "[two]", "X.Y.Z"),
        ("[0.2.0]", "[0.0.9]", "from the newest"),
        ("### Fixed", "### Mended", "headings must be of"),
        ("### Fixed", "### Added", "once each"),
        ("- A fault.\n", "", "not empty"),
    ],
)
def test_what_is_otherwise_is_told(good: str, bad: str, told: str) -> None:
    (problem,) = problems(GOOD.replace(good, bad, 1))
    assert re.search(told, problem)
