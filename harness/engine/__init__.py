"""A detector with its weights, ready to score on this machine."""
