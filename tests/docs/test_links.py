"""What the documents point at exists."""

import re
from pathlib import Path

import pytest

from tests.docs.blocks import REPOSITORY, make_targets

DOCUMENTS = [*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").rglob("*.md"))]
NAMES = [path.relative_to(REPOSITORY).as_posix() for path in DOCUMENTS]


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_links_within_the_repository_lead_to_files(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8"))
    inside = [target for target in targets if "://" not in target and not target.startswith("mailto:")]
    assert not [target for target in inside if not (document.parent / target).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_make_targets_exist(document: Path) -> None:
    assert set(re.findall(r"`make ([a-z]+)", document.read_text(encoding="utf-8"))) <= make_targets()


def test_architecture_names_files_that_exist() -> None:
    text = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:src|tests|tools|docs|benchmarks)/[\w./-]*)`", text)
    assert len(named) > 10
    assert not [name for name in named if not (REPOSITORY / name).exists()]


def test_every_document_is_in_the_index() -> None:
    index = REPOSITORY / "docs" / "README.md"
    listed = set(re.findall(r"\]\(([\w/-]+\.(?:md|ipynb))\)", index.read_text(encoding="utf-8")))
    stored = (path for form in ("md", "ipynb") for path in index.parent.rglob(f"*.{form}"))
    assert listed == {path.relative_to(index.parent).as_posix() for path in stored} - {"README.md"}
