"""PyTorch models to bundles: ONNX graphs, precisions, engines, and the proof that they agree."""
