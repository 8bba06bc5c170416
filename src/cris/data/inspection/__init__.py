"""Contents of a data set, and their faults."""
