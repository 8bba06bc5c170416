"""Gallery in one HTML file of what the embedded models can and cannot do."""
