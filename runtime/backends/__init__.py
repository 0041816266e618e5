"""What runs the graphs of a bundle: the only room that knows inference libraries."""
