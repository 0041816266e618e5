"""What matching costs in time and memory, next to other ways of doing it."""
