"""The authors' numbers, in the smallest form that keeps them (``README.md`` in this folder)."""
