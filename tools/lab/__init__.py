"""Experiments on the toolkit itself."""
