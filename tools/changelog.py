"""Read CHANGELOG.md as Keep a Changelog has it, and print the notes of a version.

python -m tools.changelog 0.2.0
"""

import re
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from packaging.version import InvalidVersion, Version

CHANGELOG = Path(__file__).resolve().parents[1] / "CHANGELOG.md"
UNRELEASED = "Unreleased"
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")


@dataclass(frozen=True)
class Release:
    """A version's part of the changelog."""

    version: str
    date: str | None
    notes: str
    """Text between this version's heading and the next one's."""

    @property
    def kinds(self) -> list[str]:
        """Return the headings within, in their order."""
        return re.findall(r"^### (.*)$", self.notes, re.MULTILINE)


def read(text: str) -> list[Release]:
    """Return the parts of a changelog, from its top."""
    parts = re.split(r"^## (.*)\n", text, flags=re.MULTILINE)[1:]
    return [
        Release(*_heading(heading), notes.strip())
        for heading, notes in zip(parts[::2], parts[1::2], strict=True)
    ]


def problems(text: str) -> list[str]:
    """Return what Keep a Changelog would have otherwise; nothing when all is well."""
    releases = read(text)
    found = [] if text.startswith("# Changelog\n") else ["the first line must be '# Changelog'"]
    if not releases or releases[0].version != UNRELEASED or releases[0].date:
        found.append(f"the first part must be '## [{UNRELEASED}]'")
    for release in releases:
        strange = [kind for kind in release.kinds if kind not in KINDS]
        if strange or len(set(release.kinds)) != len(release.kinds):
            found.append(
                f"{release.version}: headings must be of {', '.join(KINDS)}, once each, got {release.kinds}"
            )
        for kind, text_of_kind in zip(
            release.kinds, re.split(r"^### .*$", release.notes, flags=re.M)[1:], strict=True
        ):
            if not text_of_kind.strip().startswith("- "):
                found.append(f"{release.version}: {kind} must be a list, and not empty")
    dated = releases[1:]
    for release in dated:
        try:
            Version(release.version)
            date.fromisoformat(release.date or "")
        except (InvalidVersion, ValueError):
            found.append(
                f"expected '## [X.Y.Z] - YYYY-MM-DD', got version {release.version!r}, date {release.date!r}"
            )
    if not found and dated != sorted(
        dated, key=lambda each: (Version(each.version), each.date), reverse=True
    ):
        found.append("versions must go from the newest to the oldest")
    return found


def _heading(heading: str) -> tuple[str, str | None]:
    match = re.fullmatch(r"\[(.+?)\](?: - (\S+))?", heading.strip())
    return (match[1], match[2]) if match else (heading, None)


def main() -> None:
    """Print a version's notes, or those of what is unreleased."""
    wanted = sys.argv[1].removeprefix("v") if len(sys.argv) > 1 else UNRELEASED
    releases = {release.version: release for release in read(CHANGELOG.read_text(encoding="utf-8"))}
    if wanted not in releases:
        raise SystemExit(
            f"CHANGELOG.md has {', '.join(releases)}, not {wanted!r}: add '## [{wanted}] - YYYY-MM-DD'"
        )
    print(releases[wanted].notes)


if __name__ == "__main__":
    main()
