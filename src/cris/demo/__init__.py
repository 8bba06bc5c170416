"""Photographs and scenes of `cris demo`."""
