"""Paper's experiments: commands of `cris` run one after the other, each of which can go on by itself."""
