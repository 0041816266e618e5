"""What is installed, and what a device makes of a bundle."""
