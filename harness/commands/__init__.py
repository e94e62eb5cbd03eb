"""The commands of `python -m harness COMMAND`: one public file each, found by scanning."""
