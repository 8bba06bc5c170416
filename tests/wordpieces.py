"""A small vocabulary of word pieces in BERT's order, for tests."""

import string

LETTERS = [*string.ascii_lowercase, *string.digits, *string.punctuation, "ß", "ø", "ı", "左", "の", "한"]
WORDS = ["the", "red", "dog", "man", "hold", "##ing", "holding", "um", "##brella", "left", "most"]
PIECES = [
    *("[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *LETTERS,
    *(f"##{letter}" for letter in LETTERS),
    *WORDS,
]
"""Every letter as a word of its own and as a word's continuation, and some longer pieces."""
