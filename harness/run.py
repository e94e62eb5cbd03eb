"""``python -m harness.run``: the same as ``python -m harness run``."""

import sys

from harness.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["run", *sys.argv[1:]]))
