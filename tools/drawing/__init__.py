"""Answers to look at: pictures, windows, videos, and what goes through a video for them."""
