"""Figures: tables as pictures; vector, the same bytes on a second run."""
