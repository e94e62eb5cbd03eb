"""Finds detectors and suites by scanning."""
