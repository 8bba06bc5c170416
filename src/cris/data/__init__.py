"""Referring data: images, sentences and masks, from annotations to batches."""
