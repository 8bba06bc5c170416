"""Model training; never imported at inference."""
