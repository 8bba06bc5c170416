"""Videos and cameras: their frames, overlay videos, and the job that segments them."""
