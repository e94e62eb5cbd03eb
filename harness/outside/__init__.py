"""Detectors that are no part of this project: a Python file, a hub, an ONNX graph, timm."""
