"""Changes lines by chance in a copy of the checkout and counts what the tests do not notice.

nice python -m tests.mutation [--seed N] [--group NAME] [--count N] [--list]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import TimeoutExpired, check_output, run

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from tests.mutation.changes import Change, changes

CHECKOUT = Path(__file__).resolve().parents[2]
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
DEADLINE_S = 1800  # of the tests of one change: an endless loop is noticed too


@dataclass(frozen=True, kw_only=True)
class Group:
    """Files or folders of code, the tests named for them, how many lines are changed."""

    code: tuple[str, ...]
    tests: tuple[str, ...]
    count: int


GROUPS = {
    "metrics": Group(
        code=("harness/metrics",),
        tests=("tests/metrics", "tests/test_intervals.py"),
        count=10,
    ),
    "data": Group(code=("harness/data",), tests=("tests/data",), count=10),
    "results": Group(
        code=("harness/results",),
        tests=("tests/results", "tests/test_predict.py", "tests/test_right_records.py",
               "tests/report"),
        count=6,
    ),
    "evaluate": Group(
        code=("harness/evaluation/matrix.py", "harness/evaluation/plan.py"),
        tests=("tests/test_run.py", "tests/test_right_records.py", "tests/test_seen.py",
               "tests/test_order_of_files.py", "tests/test_intervals.py"),
        count=6,
    ),
    "lfm": Group(
        code=("lfm",),
        tests=("tests/lfm", "tests/test_goldens.py", "tests/explain/test_gradcam.py"),
        count=5,
    ),
    "npr": Group(
        code=("baselines/npr.py",),
        tests=("tests/baselines/test_npr.py", "tests/test_goldens.py",
               "tests/explain/test_gradcam.py"),
        count=3,
    ),
}  # fmt: skip


def drawn(group: Group, seed: int, count: int) -> list[Change]:
    """The group's changes of lowest rank that are not named as equivalent."""
    named = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["equivalent"]
    equal = {entry["change"] for entry in named}
    found: list[Change] = []
    for code in group.code:
        path = CHECKOUT / code
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            found += changes(str(file.relative_to(CHECKOUT)), file.read_text(encoding="utf-8"))
    found = [change for change in found if change.identity not in equal]
    return sorted(found, key=lambda change: change.rank(seed))[:count]


def copied(target: Path) -> None:
    """The checkout without what git ignores."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in filter(None, check_output(command, cwd=CHECKOUT, text=True).split("\0")):
        if (CHECKOUT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(CHECKOUT / name, target / name)


def failure(copy: Path, tests: Sequence[str]) -> str:
    """What pytest says of these tests in the copy; "" where all pass."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "not slow", "-p",
               "no:cacheprovider", *tests]  # fmt: skip
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=DEADLINE_S
        )
    except TimeoutExpired:
        return f"no end after {DEADLINE_S} s"
    return done.stdout[-2000:] if done.returncode else ""


def sorted_for(file: str, copy: Path, tests: Sequence[str]) -> list[str]:
    """The test files, those first that name the module: most changes are noticed there."""
    files: list[Path] = []
    for name in tests:
        path = copy / name
        files += sorted(path.rglob("test_*.py")) if path.is_dir() else [path]
    word = re.compile(rf"\b{Path(file).stem}\b")
    files.sort(key=lambda path: not word.search(path.read_text(encoding="utf-8")))
    return [str(path.relative_to(copy)) for path in files]


def survivors(copy: Path, group: Group, chosen: list[Change]) -> list[Change]:
    found = []
    for change in chosen:
        file = copy / change.file
        source = file.read_text(encoding="utf-8")
        file.write_text(change.applied(source), encoding="utf-8")
        begin = time.monotonic()
        survived = not failure(copy, sorted_for(change.file, copy, group.tests))
        file.write_text(source, encoding="utf-8")
        word = "SURVIVED" if survived else "killed"
        print(f"{word:8} {time.monotonic() - begin:4.0f} s  line {change.line}  {change.identity}")
        sys.stdout.flush()
        if survived:
            found.append(change)
    return found


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--group", action="append", choices=GROUPS, help="default: all")
    parser.add_argument("--count", type=int, help="changes of each group")
    parser.add_argument("--list", action="store_true", help="show the changes, run nothing")
    flags = parser.parse_args(words)
    names = flags.group or list(GROUPS)
    chosen = {n: drawn(GROUPS[n], flags.seed, flags.count or GROUPS[n].count) for n in names}
    if flags.list:
        for name in names:
            print(*(f"{name}: line {c.line}  {c.identity}" for c in chosen[name]), sep="\n")
        return 0
    left: list[Change] = []
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Path(folder) / "checkout"
        copied(copy)
        for name in names:
            if said := failure(copy, GROUPS[name].tests):
                print(f"{said}\nerror: the tests of {name} fail before anything is changed")
                return 1
            left += survivors(copy, GROUPS[name], chosen[name])
    total = sum(map(len, chosen.values()))
    print(f"{len(left)} of {total} changes survive (seed {flags.seed})")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
