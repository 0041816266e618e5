"""Patches of pictures: encoded, cut out, compared, and searched in windows."""
