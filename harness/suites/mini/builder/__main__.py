"""Build or verify the embedded `mini` suite: `python -m harness.suites.mini.builder`.

Needs the extra `mini-build`, pip, and for the Debian packages apt-get and dpkg-deb. The same
machine gives the same bytes; another processor may not, and `--verify` says by how much.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent / "data"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.suites.mini.builder",
        description="Rebuild the embedded mini suite.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path.home() / ".cache" / "lfm-bench" / "mini-build",
        help="downloads and finished stages are kept here (default: %(default)s)",
    )
    parser.add_argument(
        "--out", type=Path, default=DATA, help="folder of the Parquet files (default: %(default)s)"
    )
    parser.add_argument(
        "--jobs", type=int, default=2, help="processes at a time, one thread each (default: 2)"
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="rebuild and compare with the files in --out; writes nothing there",
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the build; returns 0, 1 when --verify found missing images, 3 when it cannot build."""
    options = parse(arguments)
    try:
        from harness.suites.mini.builder.attribution import write_attribution
        from harness.suites.mini.builder.pack import collect, write_files
        from harness.suites.mini.builder.packages import BuildError
        from harness.suites.mini.builder.stages import run_all
        from harness.suites.mini.builder.verify import compare, report
    except ImportError as error:
        print(f"{error}; next: pip install -e '.[mini-build]'", file=sys.stderr)
        return 3
    try:
        run_all(options.cache.expanduser().resolve(), options.jobs)
    except BuildError as error:
        print(f"mini suite: {error}", file=sys.stderr)
        return 3
    files = collect(options.cache.expanduser().resolve())
    if options.verify:
        differences = compare(files, options.out)
        print(report(differences))
        return int(any(item.missing for item in differences))
    write_files(files, options.out, options.jobs)
    write_attribution()
    return 0


if __name__ == "__main__":
    sys.exit(main())
