"""Prediction on a CPU at RN50, 416: the straightforward path against cris, for one and eight sentences.

python -m benchmarks.predict_cpu [TURNS]
"""

import sys
from collections.abc import Callable
from functools import partial

import torch

from benchmarks.turns import ratio, take_turns
from cris.model import BACKBONES, build_cris
from tests.straightforward import predict_plainly

SIZE = 416
LENGTH = 17
AT_A_TIME = 2
"""Sentences in a batch: on a CPU more take more memory and no less time."""


def prepare(path: str, sentences: int) -> Callable[[], torch.Tensor]:
    """One picture and its sentences, asked the plain way or ours."""
    torch.manual_seed(0)
    model = build_cris(BACKBONES["RN50"]).eval()
    image = torch.randn(1, 3, SIZE, SIZE)
    tokens = torch.randint(1, 49406, (sentences, LENGTH))
    tokens[:, 9] = 49407
    index = torch.zeros(AT_A_TIME, dtype=torch.long)

    @torch.inference_mode()
    def plain() -> torch.Tensor:
        return torch.cat([predict_plainly(model, image, row[None]) for row in tokens])

    @torch.inference_mode()
    def ours() -> torch.Tensor:
        picture, answers = model.encode_image(image), []
        for rows in tokens.split(AT_A_TIME):
            answers.append(model.segment(picture, model.encode_text(rows), index[: len(rows)]))
        return torch.cat(answers)

    return plain if path == "plain" else ours


def main() -> None:
    """Prints the table for the docs."""
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    print(f"RN50, {SIZE}×{SIZE}, fp32, {torch.get_num_threads()} threads, {turns} turns each")
    print("| sentences on one picture | plain, s per sentence | cris, s per sentence | time | peak memory |")
    print("|---|---|---|---|---|")
    for sentences in (1, 8):
        measured = take_turns({path: partial(prepare, path, sentences) for path in ("plain", "cris")}, turns)
        plain, ours = measured["plain"], measured["cris"]
        print(
            f"| {sentences} | {plain.median / sentences:.3f} | {ours.median / sentences:.3f} "
            f"| {ratio(measured, 'cris', 'plain'):.2f} | {ours.peak_bytes / plain.peak_bytes:.2f} |"
        )


if __name__ == "__main__":
    main()
