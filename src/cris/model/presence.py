"""Presence head: the probability that a sentence means anything in the image at all (as in GRES, 2023)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

VALUES = 16
"""Channels that each head pools."""
SENTENCE = 8
"""Channels that the sentence is reduced to."""
HIDDEN = 32


class PresenceHead(nn.Module):
    """Score of one sentence about one image, from the decoder's pixels and the sentence.

    Each head attends to the pixels by their features alone: the decoder has brought the sentence into them.
    """

    def __init__(self, heads: int, dim: int, joint_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.attention = nn.Linear(dim, heads)
        self.values = nn.Linear(dim, VALUES)
        self.sentence = nn.Linear(joint_dim, SENTENCE)
        self.hidden = nn.Linear(heads * VALUES + SENTENCE, HIDDEN)
        self.score = nn.Linear(HIDDEN, 1)

    def forward(
        self, decoded: Float[Tensor, "batch channels h16 w16"], sentence: Float[Tensor, "batch dim"]
    ) -> Float[Tensor, "batch"]:
        """Return logits: above 0 where something is meant more likely than not."""
        pixels = self.norm(decoded.flatten(2).mT)
        weights = self.attention(pixels).softmax(dim=1)
        pooled = (weights.mT @ self.values(pixels)).flatten(1)
        hidden = self.hidden(torch.cat([pooled, self.sentence(sentence)], dim=1)).relu()
        return self.score(hidden)[:, 0]  # type: ignore[no-any-return]
