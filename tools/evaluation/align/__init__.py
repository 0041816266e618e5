"""Pictures with marked points, and the networks to compare on them."""
