"""Pairs of frames with known boxes, and what methods make of them."""
