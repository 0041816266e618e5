"""Follow a given object from frame to frame."""
