"""The CRIS model and everything that is needed to build one."""
