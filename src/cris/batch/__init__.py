"""Bulk segmentation: many pictures, on many processes or machines (docs/bulk.md)."""

SHARD_ROWS = 1000
"""A shard ends with the picture that reaches it."""
