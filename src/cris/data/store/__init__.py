"""The stored form of a data set: a manifest and Arrow shards, written, read, exported."""
