"""Annotations in the formats of other tools: objects, references, sentences."""
