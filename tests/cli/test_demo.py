import json
import sys
from pathlib import Path

import pytest

from cris.cli.demo import MARK
from cris.demo.photographs import photographs
from cris.demo.scenes import SCENES_SHOWN
from tests.cli.conftest import Cris


def test_demo_writes_a_gallery_in_place_of_its_last_and_prints_its_figures(
    cris: Cris, checkpoint: Path
) -> None:
    Path("demo").mkdir()
    Path("demo/index.html").write_text(f"old {MARK}")
    outcome = cris("demo", "--model", checkpoint, "--limit", "4")
    assert (outcome.code, outcome.err) == (0, "")
    page = Path("demo/index.html").read_text(encoding="utf-8")
    assert MARK in page
    assert not page.startswith("old")
    shown = sum(len(each.asked) for each in photographs()) + SCENES_SHOWN
    assert page.count("<figure>") == shown
    assert [path.name for path in Path("demo").iterdir()] == ["index.html"]
    assert f"{checkpoint} on these 17 sentences about photographs: mean IoU 0." in outcome.out
    assert "cris-scenes on the first 4 test scenes" in outcome.out
    assert f"cris train finetune --from {checkpoint}" in outcome.out
    assert outcome.out.endswith("Look at demo/index.html\n")


def test_demo_replaces_no_page_of_others_unless_told(cris: Cris, checkpoint: Path) -> None:
    demo = ("demo", "--model", checkpoint, "--limit", "1", "--out", "site")
    Path("site").mkdir()
    Path("site/index.html").write_text("my page")
    outcome = cris(*demo)
    assert outcome.is_short_error()
    assert "is not the page of a demo" in outcome.err
    assert Path("site/index.html").read_text() == "my page"
    outcome = cris(*demo, "--overwrite", "--json")
    assert MARK in Path("site/index.html").read_text()
    printed = json.loads(outcome.out)
    assert (printed["page"], printed["photographs"]["count"]) == ("site/index.html", 17)
    assert printed["scenes"]["count"] == 1


def test_demo_without_jinja_is_one_line_and_writes_nothing(
    cris: Cris, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    for module in ("cris.pages", "cris.gallery"):  # as if nothing had imported it before
        monkeypatch.delitem(sys.modules, module, raising=False)
    outcome = cris("demo", "--model", checkpoint)
    assert outcome.is_short_error()
    assert "pip install 'cris[demo]'" in outcome.err
    assert not Path("demo").exists()


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--limit", "0", "limit must be at least 1"),
        ("--device", "toaster", "device must be"),
        ("--model", "cris-scene", "did you mean cris-scenes?"),
        ("--out", "/proc/nowhere", "/proc/nowhere"),
        ("--out", "file", "--out must name a folder"),
    ],
)
def test_bad_option_is_one_line(option: str, value: str, told: str, cris: Cris, checkpoint: Path) -> None:
    Path("file").touch()
    options = {"--model": checkpoint, "--limit": "1"} | {option: value}
    outcome = cris("demo", *(part for pair in options.items() for part in pair))
    assert outcome.is_short_error()
    assert told in outcome.err
