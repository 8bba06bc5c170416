import pytest

from cris.errors import InputError
from cris.serving.label_config import read_label_config
from tests.fixtures.label_studio import CONFIG, POLYGONS

IMAGE = '<Image name="img" value="$photo"/>'
BRUSH = '<BrushLabels name="b" toName="img"><Label value="cat"/></BrushLabels>'


def test_a_control_has_its_labels_its_image_and_the_prompts_about_it():
    (control,) = read_label_config(CONFIG)
    assert (control.name, control.kind, control.to_name) == ("brush", "brushlabels", "img")
    assert control.image_field == "image"
    assert control.labels == {"red ring": "red ring", "blue square": "square"}
    assert control.prompts == {"prompt"}
    assert read_label_config(POLYGONS)[0].kind == "polygonlabels"


def test_controls_are_in_the_order_of_the_configuration_each_with_its_image():
    other = '<Image name="left" value="$left"/><PolygonLabels name="p" toName="left"><Label value="dog"/>'
    found = read_label_config(f"<View>{IMAGE}{BRUSH}{other}</PolygonLabels></View>")
    assert [(each.name, each.image_field) for each in found] == [("b", "photo"), ("p", "left")]


@pytest.mark.parametrize(
    ("sentence", "label"),
    [
        ("the red ring on the left", "red ring"),
        ("Blue Square!", "square"),
        ("the square that is blue", None),
        ("a bored ringmaster", None),
    ],
)
def test_a_sentence_has_the_label_that_it_names(sentence, label):
    assert read_label_config(CONFIG)[0].label_for(sentence) == label


@pytest.mark.parametrize(
    "config",
    [
        "",
        "no XML",
        "<View>",
        "<View/>",
        f"<View>{IMAGE}</View>",
        f"<View>{BRUSH}</View>",
        f'<View>{IMAGE}<BrushLabels name="b" toName="img"/></View>',
        f'<View><Image name="img" value="a.png"/>{BRUSH}</View>',
        f'<View>{IMAGE}<RectangleLabels name="b" toName="img"><Label value="a"/></RectangleLabels></View>',
        f'<!DOCTYPE a [<!ENTITY b "c">]><View>{IMAGE}{BRUSH}</View>',
        "<View>" * 100_000 + "</View>" * 100_000,
        f"<View>{' ' * 2**20}{IMAGE}{BRUSH}</View>",
        "\0",
        '<?xml version="1.0" encoding="nonsense"?><View/>',
    ],
)
def test_a_configuration_without_masks_is_refused(config):
    with pytest.raises(InputError, match="expected"):
        read_label_config(config)


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        ("<a/>" * 20_000, "at most 10,000 tags, got 20,002"),
        (BRUSH * 2000, "at most 100 controls for masks, got 2,000"),
        (f"{BRUSH[:-14]}" * 2000 + BRUSH[-14:] * 2000, "at most 100 controls for masks"),
        (
            '<BrushLabels name="b" toName="img">' * 100
            + "".join(f'<Label value="{number}"/>' for number in range(9000))
            + "</BrushLabels>" * 100,
            "at most 1,000 labels, got more",
        ),
    ],
    ids=["tags", "controls", "nested controls", "labels of nested controls"],
)
def test_a_configuration_that_would_keep_the_server_busy_is_refused_at_once(inner, message):
    """The time for controls beside or within one another grew with their square: a minute, and gigabytes."""
    with pytest.raises(InputError, match=message):
        read_label_config(f"<View>{IMAGE}{inner}</View>")
