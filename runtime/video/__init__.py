"""Frames of any source in, and videos out."""
