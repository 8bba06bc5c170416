"""Storage of a data set: a manifest and Arrow shards, written, read, exported."""
