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
