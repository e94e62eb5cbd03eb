"""The commands of `python -m harness NAME`: one public file each, found by scanning."""
