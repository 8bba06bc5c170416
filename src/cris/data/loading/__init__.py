"""From samples to batches: sampling order, augmentation, the network's square."""
