"""The demo: find objects in real photographs and follow one in a video."""
