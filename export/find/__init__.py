"""The whole of finding an object in one ONNX graph, for programs without Python."""
