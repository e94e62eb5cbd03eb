"""Detectors x suites become kept scores and records, once."""
