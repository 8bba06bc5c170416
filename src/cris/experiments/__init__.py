"""Experiments of the paper: `cris` commands run one after the other, each of which can be resumed."""
