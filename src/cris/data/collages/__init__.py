"""Collages: objects cut out of photographs and pasted into others, with sentences about the result."""

from cris.data.collages.dataset import COLLAGES_VERSION, Collage, Collages
from cris.data.collages.mixed import MixedDataset

__all__ = ["COLLAGES_VERSION", "Collage", "Collages", "MixedDataset"]
