"""How good and how fast: matching, tracking, alignment and verification with known answers."""
