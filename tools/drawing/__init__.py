"""Pictures of results, and where they go."""
