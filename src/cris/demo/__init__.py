"""Shows what the embedded models can and cannot do: a gallery in one HTML file."""
