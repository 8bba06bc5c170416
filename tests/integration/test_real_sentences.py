"""The 4,401 sentences people wrote for RefCOCOg: through the tokenizer, truncation, and the flip rewriter."""

from collections import Counter

from benchmarks.loader_speed import PlainTokenizer
from cris.data.loading.flip import flip_sentence, refusal
from cris.model.tokenizer import Tokenizer
from tests.fixtures.real import real_sentences


def test_every_sentence_tokenizes_as_the_plain_tokenizer_has_it(shared_real):
    sentences = real_sentences(shared_real)
    plain, tokens = PlainTokenizer(), Tokenizer().encode(sentences, 17)
    assert all(
        plain(sentence).tolist() == row.tolist() for sentence, row in zip(sentences, tokens, strict=True)
    )


def test_truncation_keeps_both_ends_and_as_many_words_as_fit(shared_real):
    sentences, tokenizer = real_sentences(shared_real), Tokenizer()
    whole = tokenizer.encode(sentences)
    assert (whole.argmax(axis=1) < 76).all()
    for length in (17, 22):
        tokens = tokenizer.encode(sentences, length)
        lengths = tokens.argmax(axis=1) + 1
        assert (tokens[:, 0] == tokenizer.start_id).all()
        assert (tokens.max(axis=1) == tokenizer.end_id).all()
        for short, row, count in zip(tokens, whole, lengths, strict=True):
            assert (short[: count - 1] == row[: count - 1]).all()
            assert not short[count:].any()
        was_cut = whole.argmax(axis=1) + 1 > length
        assert (lengths[was_cut] == length).all()
        assert was_cut.sum() == {17: 300, 22: 56}[length]


def test_flipping_twice_is_the_identity_and_what_is_refused_is_counted(shared_real, prove):
    sentences = real_sentences(shared_real)
    mirrored = [flip_sentence(sentence) for sentence in sentences]
    for sentence, flipped in zip(sentences, mirrored, strict=True):
        assert flipped is None or flip_sentence(flipped) == sentence
    refused = Counter(refusal(sentence) for sentence in sentences)
    changed = sum(one not in (None, sentence) for one, sentence in zip(mirrored, sentences, strict=True))
    prove.figure("RefCOCOg sentences rewritten for a mirrored image", changed)
    prove.figure("RefCOCOg sentences refused of 4,401", 4401 - refused[None])
    assert changed == 519
    assert refused == {
        None: 4309,
        "writing": 62,
        "ordinal": 18,
        "not a side": 6,
        "spelling": 3,
        "compass": 2,
        "clock": 1,
    }
