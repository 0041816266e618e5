"""Bend a picture of an object onto a picture of another object of its kind."""
