"""What a run's two summaries say, and that they need nothing but themselves."""

import html.parser
import json
import re

import pytest
from PIL import Image

from cris.environment import environment, in_one_line
from cris.training.loggers import Tracker
from cris.training.summary import write_summary

CONFIG = {
    "recipe": "fixed <1>",
    "model": {"image": {"layers": [1, 2]}},
    "start": "a | b",
    "environment": environment("cpu"),
}


@pytest.fixture
def run(tmp_path):
    """A folder with three lines of training, two validations and their sheets."""
    out = tmp_path / "my <run>"
    tracker = Tracker(out, CONFIG)
    for step, loss in ((10, 0.75), (20, 0.5), (30, 0.25)):
        rates = {"learning_rate_backbone": 1e-5, "learning_rate_head": 1e-4}
        tracker.metrics(step, {"loss": loss, "dice": loss / 2, "samples_per_second": step, **rates})
    for step, value, colour in ((20, 0.625, "red"), (30, 0.5, "blue")):
        figures = {"mean_iou": value, "overall_iou": 0.7, "ceiling": None}
        tracker.validation(step, figures, Image.new("RGB", (40, 20), colour))
    tracker.close()
    (out / "config.json").write_text(json.dumps(CONFIG))
    write_summary(out)
    return out


def test_markdown_tells_figures_and_shows_drawings_that_are_there(run):
    text = (run / "summary.md").read_text()
    assert "- steps: 30\n- best mean IoU: 0.625, at step 20\n- loss: 0.75 at first, 0.25 at the end\n" in text
    assert "- samples a second: 20.0, the median" in text
    assert f"- made with: {in_one_line(CONFIG['environment'])}\n" in text
    assert "| environment" not in text
    assert "| step | mean IoU | overall IoU | ceiling |\n|---:|---:|---:|---:|\n" in text
    assert "| 20 (best) | 0.625 | 0.700 | – |\n| 30 | 0.500 | 0.700 | – |" in text
    assert '| start | "a \\| b" |' in text
    shown = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert shown == [
        *("curves/loss.svg", "curves/validation.svg", "curves/learning-rates.svg"),
        "sheets/step-00000030.jpg",
    ]
    assert all((run / name).is_file() for name in shown)


def test_the_page_escapes_what_it_is_told_and_asks_for_nothing(run):
    page = (run / "summary.html").read_text()
    assert "fixed &lt;1&gt;: my &lt;run&gt;" in page
    assert "<run>" not in page
    outside = re.findall(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert not outside
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert page.count(" at the end</text>") == 6  # loss and Dice, two IoUs, two rates


def test_the_page_closes_what_it_opens(run):
    class Balanced(html.parser.HTMLParser):
        def __init__(self):
            super().__init__()
            self.open = []

        def handle_starttag(self, tag, attributes):
            if tag not in ("meta", "img"):
                self.open.append(tag)

        def handle_startendtag(self, tag, attributes):
            pass

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    parser = Balanced()
    parser.feed((run / "summary.html").read_text())
    assert parser.open == []


def test_a_run_that_was_never_validated_has_no_table_and_no_sheet(tmp_path):
    tracker = Tracker(tmp_path, CONFIG)
    tracker.metrics(1, {"loss": 0.5, "learning_rate": 0.0})
    tracker.close()
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    write_summary(tmp_path)
    text = (tmp_path / "summary.md").read_text()
    assert "Validation" not in text
    assert re.findall(r"!\[.*?\]\((.*?)\)", text) == ["curves/loss.svg"]
    assert "<table><thead>" not in (tmp_path / "summary.html").read_text()


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must be the folder of a run"):
        write_summary(tmp_path)
    (tmp_path / "metrics.jsonl").touch()
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="holds no figures yet"):
        write_summary(tmp_path)
