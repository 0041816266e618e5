"""Compiled engines of a bundle."""
