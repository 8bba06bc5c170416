"""Bulk segmentation: many images, on many processes or machines (docs/bulk.md)."""

SHARD_ROWS = 1000
"""Number of rows at which a shard ends; the image that reaches it is its last."""
