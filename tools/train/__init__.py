"""Training the networks that compare two pictures."""
