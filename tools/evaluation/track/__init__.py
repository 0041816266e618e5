"""Sequences with known boxes, and what trackers make of them."""
