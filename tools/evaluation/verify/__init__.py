"""Queries and references with known answers, and the methods to compare on them."""
