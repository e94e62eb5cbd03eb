"""The report: records and tables become pages that open from disk."""
