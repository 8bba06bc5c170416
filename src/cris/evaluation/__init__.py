"""Measures of how good a model is, and why it fails."""
