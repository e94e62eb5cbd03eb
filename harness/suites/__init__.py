"""Test sets: one public file (or folder) is one suite, found by scanning."""
