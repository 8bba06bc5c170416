def test_sentences_are_the_lines_as_the_page_shows_them():
    from cris.serving.page import sentences_in  # here, as it imports gradio, which takes seconds

    separators = "the red\u2028ring\n\n the dog\x85 on the left \r\nthe cup\x0bbehind\x0cit"
    assert sentences_in(separators) == [
        "the red\u2028ring",
        "the dog\x85 on the left",
        "the cup\x0bbehind\x0cit",
    ]
    assert sentences_in(" \n\t\n") == []
