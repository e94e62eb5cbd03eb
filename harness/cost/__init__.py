"""What a detector costs, counted and timed."""
