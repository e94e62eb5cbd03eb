"""Do the tests fail when the code is wrong? Run by hand (``README.md`` in this folder)."""
