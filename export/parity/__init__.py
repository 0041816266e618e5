"""The proof that a bundle computes what the model does."""
