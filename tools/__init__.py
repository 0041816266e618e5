"""Command line, evaluation, benchmarks and demo: what people run rather than embed."""
