"""From samples to batches: which come when, what training does to them, the network's square."""
