"""Training of a model; never imported at inference."""
