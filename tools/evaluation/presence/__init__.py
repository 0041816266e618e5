"""Whether a score can be trusted: on video, photographs, and generated pictures of many kinds."""
