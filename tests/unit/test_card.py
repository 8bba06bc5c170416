"""What the front matter of a model card says."""

from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from cris.card import (
    DOMAIN,
    SUMMARY,
    TAGS,
    CardResult,
    add_fields,
    front_matter,
    model_card,
    read_front_matter,
)
from cris.evaluation.metrics import card_result
from cris.registry import SCENES_MODEL, resolve
from tests.fixtures.hub import card_problems


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


def test_texts_in_quotes_are_read_as_yaml_means_them() -> None:
    card = "---\nsummary: 'it''s 1: 2'\ndomain: \"X-ray\\timages\"\ntags: [a, b]\n---\n"
    fields = front_matter(card)
    assert (fields[SUMMARY], fields[DOMAIN]) == ("it's 1: 2", "X-ray\timages")


RESULT = CardResult(
    data="my data", split="val", figures={"mean_iou": ("mean IoU", 0.5), "pr50": ("Pr@50", 0.6)}
)


def test_a_card_gets_the_fields_that_the_hub_reads() -> None:
    card = model_card(
        "# Finder\n",
        name="finder",
        license="mit",
        base_models=["owner/base"],
        datasets=["owner/data"],
        results=[RESULT],
    )
    assert card_problems(card, "model") == []
    read = ModelCard(card)
    assert read.text == "\n# Finder\n"
    fields = read.data.to_dict()
    assert fields["tags"] == list(TAGS)
    told = [fields[name] for name in ("library_name", "pipeline_tag", "license", "base_model", "datasets")]
    assert told == ["cris", "image-segmentation", "mit", ["owner/base"], ["owner/data"]]
    assert read.data.model_name == "finder"
    assert [
        (each.dataset_name, each.dataset_type, each.dataset_split, each.metric_type, each.metric_name)
        for each in read.data.eval_results
    ] == [
        ("my data", "my-data", "val", "mean_iou", "mean IoU"),
        ("my data", "my-data", "val", "pr50", "Pr@50"),
    ]
    assert ModelCard(str(read)).data.to_dict() == fields


def test_what_was_not_measured_or_is_not_known_is_not_claimed() -> None:
    fields = ModelCard(model_card("# Finder\n")).data.to_dict()
    assert set(fields) == {"library_name", "pipeline_tag", "tags"}


def test_what_a_card_has_stays_byte_for_byte_and_what_it_lacks_comes_after() -> None:
    own = (
        "---\nlicense:   MIT # mine\n'tags': [cats]\nsummary: Knows: cats.\nmodel-index:\n- {a: 1}\n---\n\n"
        "# Cats\n---\n"
    )
    card = model_card(own, license="apache-2.0", results=[RESULT])
    head, rest = own.split("---\n\n# Cats")
    assert card == f"{head}library_name: cris\npipeline_tag: image-segmentation\n---\n\n# Cats{rest}"
    assert model_card(card, license="apache-2.0", results=[RESULT]) == card


def test_a_long_text_stays_on_its_line() -> None:
    summary = "It is good: " + "very " * 100 + "good."
    assert front_matter(add_fields("# Cats\n", {SUMMARY: summary}))[SUMMARY] == summary


def test_figures_of_an_evaluation_go_to_the_card_without_the_ceiling_and_the_path() -> None:
    figures = {"mean_iou": 0.123456, "pr50": 0.5, "ceiling": 0.9, "n_acc": None, "giou": None}
    assert card_result("/home/me/cats and data/dogs", "val", figures) == CardResult(
        data="cats and dogs", split="val", figures={"mean_iou": ("mean IoU", 0.1235), "pr50": ("Pr@50", 0.5)}
    )
