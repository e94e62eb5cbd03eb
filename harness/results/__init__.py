"""Result records: schema and store."""

MEAN = "mean"
"""What stands for a subset where the mean over a suite's subsets is meant."""
