"""Metrics: pure functions of arrays; no torch, nothing of ours."""
