"""Tables print themselves in terminals, pipes and notebooks, and take text as it is."""

from cris.tables import TextTable, as_text, html

TABLE = TextTable(
    title="What [b]shows[/b]",
    columns=("name", "samples", "95 %"),
    rows=[("patch <on> it", "1,000", "0.1 to 0.2"), ("[red]beside[/red]", "20", "–")],
)


def test_a_table_is_text_with_numbers_on_the_right():
    lines = str(TABLE).splitlines()
    assert lines[0].strip() == "What [b]shows[/b]"
    assert "│ patch <on> it     │   1,000 │ 0.1 to 0.2 │" in lines
    assert "│ [red]beside[/red] │      20 │          – │" in lines


def test_a_line_below_a_table_is_never_broken():
    assert as_text(TABLE, "x " * 100).splitlines()[-1].strip() == ("x " * 100).strip()


def test_a_notebook_gets_html_in_which_cells_are_escaped():
    shown = html('<?xml version="1.0"?>\n<svg>drawn</svg>', TABLE, "a < b")
    assert shown.startswith("<svg>drawn</svg>\n<table><caption>What [b]shows[/b]</caption>")
    assert "<tr><td>patch &lt;on&gt; it</td><td>1,000</td><td>0.1 to 0.2</td></tr>" in shown
    assert shown.endswith("<p>a &lt; b</p>")
