"""Collages: objects cut out of photographs and pasted into others, with sentences about the result."""

from cris.data.collages.dataset import COLLAGES_VERSION, Collage, Collages

__all__ = ["COLLAGES_VERSION", "Collage", "Collages"]
