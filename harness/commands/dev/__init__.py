"""Commands for authors of detectors and of this harness: ``python -m harness dev NAME``."""
