"""Referring data: where pictures, sentences and masks come from."""
