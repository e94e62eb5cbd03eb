"""Which file is meant, is it there, fetch it, read it without running code."""
