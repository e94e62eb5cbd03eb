"""The work of ``fetch``."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.checkpoints.presence import digits, file_presence, weights_dir
from harness.commands import _weights
from harness.commands._text import release_facts
from harness.data.suite import Release, Selection, Suite
from harness.errors import DataError, HarnessError, UsageError, unknown_name
from harness.fetching.download import Remote
from harness.fetching.releases import FETCHED, Order, Wanted, choose, fetch, place_order
from harness.registry import detectors as registry
from harness.registry.suites import GROUPS, all_suites, find_root, parse_selection


def run(args: argparse.Namespace) -> int:
    names = [name.strip() for text in args.names for name in text.split(",") if name.strip()]
    suites, files = _meant(names)
    if args.source and not suites:
        raise UsageError("--source names a source of a suite, and no suite is named")
    if args.list or not names:
        print("\n".join(_listed([one.suite for one in suites] or [*all_suites().values()])))
        return 0
    if suites and args.data_root is None:
        print("\n".join(_listed([one.suite for one in suites])))
        raise UsageError(
            "nothing is fetched: where to is not said",
            hint=f"python -m harness fetch {' '.join(names)} --data-root FOLDER, or set LFM_DATA",
        )
    orders, problems = _planned(suites, args)
    folder = weights_dir()
    missing = [file for file in files if not file_presence(file.weights, folder).paths]
    todo = [order for order in orders if not all(file.there for file in order.files)]
    if todo or missing:
        print("\n".join([*_shown(todo), *_shown_files(missing, folder)]), flush=True)
        _agree(args.accept_licence)
    problems += _bring(todo, args.jobs)
    code = 0
    if files:
        code = _weights.fetch_files(
            files, folder, accept_unverified=args.accept_unverified, jobs=args.jobs
        )
    print("".join(_where(orders)), end="")
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return code or next((problem.exit_code for problem in problems), 0)


def _meant(names: Sequence[str]) -> tuple[list[Selection], list[_weights.File]]:
    """The suites and the checkpoints that are named; a name of both is the detector's."""
    suites, files = [], []
    known = {alias for suite in all_suites().values() for alias in (suite.name, *suite.aliases)}
    detectors = registry.detectors()
    for name in names:
        first = name.partition(":")[0]
        if first in detectors:
            files += _weights.chosen(name)
        elif first in known or first in GROUPS:
            suites.append(name)
        else:
            raise unknown_name("suite or detector", first, [*known, *GROUPS, *detectors])
    return parse_selection(",".join(suites)) if suites else [], files


def _planned(
    suites: Sequence[Selection], args: argparse.Namespace
) -> tuple[list[Order], list[HarnessError]]:
    """What is to be fetched of each suite, and why nothing is of the others."""
    orders: list[Order] = []
    problems: list[HarnessError] = []
    for selection in suites:
        suite = selection.suite
        if suite.embedded:
            print(f"{suite.name}: nothing to fetch, it is {suite.obtain}")
            continue
        try:
            found = place_order(selection, choose(suite, args.source), args.data_root)
            _refuse_unverified(found, args.accept_unverified)
            orders.append(found)
        except UsageError:
            raise
        except HarnessError as error:
            problems.append(error)
    return orders, problems


def _refuse_unverified(found: Order, accepted: bool) -> None:
    for file in found.files:
        if not (file.there or file.remote.vouched or accepted):
            raise DataError(
                f"{file.target.name}: not fetched, because its sha256 is not known here and "
                "nothing could tell a right file from a wrong one",
                hint=f"{file.remote.by_hand}; or --accept-unverified fetches what there is",
            )


def _agree(accepted: bool) -> None:
    """Asks whether the terms that were shown are accepted.

    Raises:
        UsageError: they are not, or nobody is there to ask.
    """
    if accepted:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            "nothing is fetched: the terms above are to be accepted, and there is no terminal to "
            "ask on",
            hint="read them, then give the same command with --accept-licence",
        )
    try:
        answer = input("Accept these terms and fetch? [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().casefold() not in ("y", "yes"):
        raise UsageError("the terms are not accepted: nothing is fetched")


def _bring(todo: Sequence[Order], jobs: int) -> list[HarnessError]:
    problems = []
    for file, outcome in fetch(todo, jobs):
        if isinstance(outcome, HarnessError):
            problems.append(outcome)
        else:
            print(f"{file.target}: fetched, {_checked(file.remote)}")
    return problems


def _checked(remote: Remote) -> str:
    if remote.vouched:
        return f"checked: {remote.wanted()}"
    return f"not verified: nobody states its sha256; {FETCHED} keeps this one's"


def _shown(orders: Sequence[Order]) -> Iterator[str]:
    """What will come from where, and under which terms."""
    for one in orders:
        suite, release = one.selection.suite, one.release
        todo = [file for file in one.files if not file.there]
        yield f"{suite.name} ({suite.title}) from {release.page}"
        yield f"  publisher  {release.publisher} ({release.certainty})"
        if one.revision:
            pinned = "published" if release.revision else "not a published pin: kept from now on"
            yield f"  commit     {one.revision} ({pinned})"
        yield f"  licence    {_licence(suite, release)}"
        yield f"  files      {_amount(todo)}, into {one.root / release.folder}"
        for file in todo[:5]:
            size = f"{file.remote.size:,} bytes" if file.remote.size else "size not known"
            digest = file.remote.wanted() if file.remote.vouched else "sha256 not known"
            yield f"    {file.target.name}, {size}, {digest}"
        if len(todo) > 5:
            yield f"    and {len(todo) - 5} more"
        if len(one.selection.subsets) < len(suite.subsets):
            yield "  subsets    the files are fetched whole: they hold other subsets too"


def _amount(files: Sequence[Wanted]) -> str:
    size = sum(file.remote.size for file in files)
    unknown = any(not file.remote.size for file in files)
    said = f"{'at least ' if unknown else ''}{size:,} bytes" if size else "size not known"
    kept = size - sum(file.missing for file in files)
    here = f" ({kept:,} of them are here from an earlier try)" if kept else ""
    return f"{len(files)} file{'s' if len(files) > 1 else ''}, {said}{here}"


def _shown_files(files: Sequence[_weights.File], folder: Path) -> Iterator[str]:
    for file in files:
        weights = file.weights
        size = f"{weights.size:,} bytes" if weights.size else "size not known"
        yield f"{file.label} from {weights.url}"
        yield f"  licence    {weights.licence}"
        yield f"  file       {folder / weights.filename}, {size}"
        yield f"  sha256     {digits(weights) or 'not known'}"


def _licence(suite: Suite, release: Release) -> str:
    return f"{suite.licence}; {release.licence}" if release.licence else suite.licence


def _where(orders: Sequence[Order]) -> Iterator[str]:
    """Where the suites are read from now: what was there before may go first."""
    for one in orders:
        if not all(file.target.exists() for file in one.files):
            continue  # it did not come, which is told
        with contextlib.suppress(DataError):
            place = find_root(one.selection.suite, one.root)
            yield f"{one.selection.suite.name}: is read from {place}\n"


def _listed(suites: Sequence[Suite]) -> Iterator[str]:
    """The sources of suites, the first of each is the one that is fetched."""
    for suite in suites:
        yield f"{suite.name}: {suite.title}"
        yield f"  licence: {suite.licence}"
        if suite.embedded:
            yield f"  nothing to fetch: {suite.obtain}"
        for number, release in enumerate(suite.releases):
            yield f"  {release.name}{' (the default)' if not number else ''}: {release.page}"
            yield from (f"    {name:<10} {text}" for name, text in release_facts(release).items())
