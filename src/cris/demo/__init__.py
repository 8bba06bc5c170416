"""Shows what the embedded model can and cannot do: a gallery in one HTML file."""
