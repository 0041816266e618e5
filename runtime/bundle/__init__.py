"""A bundle on disk: its folder, its manifest, its recipes, and the sidecars of its engines."""
