"""Referring image segmentation: from a picture and a sentence to the mask of what is meant (CRIS, CVPR 2022)."""

__version__ = "0.1.0"
