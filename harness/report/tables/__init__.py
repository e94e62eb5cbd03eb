"""The builders of tables."""
