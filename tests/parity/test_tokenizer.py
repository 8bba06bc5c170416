"""Our tokenizer against ids made by the released code's."""

import json
from pathlib import Path

import pytest

from cris.model.tokenizer import Tokenizer


@pytest.mark.parametrize("length", [17, 22, 77])
def test_ids_equal_the_released_ones(shared_reference: Path, length: int) -> None:
    cases = json.loads((shared_reference / "tokenizer.json").read_text(encoding="utf-8"))
    ids = Tokenizer().encode([case["text"] for case in cases], length)
    for case, row in zip(cases, ids.tolist(), strict=True):
        assert row == case[f"len{length}"], case["text"]
