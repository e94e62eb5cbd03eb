"""Metrics: pure functions of arrays; no torch, nothing of ours."""

MARGIN = 0.01
"""A difference that certainly lies within this (one point) hardly matters."""
