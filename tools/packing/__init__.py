"""Bundles packed for a target: the files it needs, what to do there, and a self-test."""
