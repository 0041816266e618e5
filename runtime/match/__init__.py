"""Find a given object in pictures."""
