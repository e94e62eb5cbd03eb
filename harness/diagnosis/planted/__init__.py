"""Planted causes: numbers made under a known fault by hand, and how often ``why`` names it.

Nothing here that makes a number uses the harness's own decoding, geometry, perturbations or
metrics, so that a fault in those, or in the catalogue, shows.
"""
