"""The work of ``dev why-bench``."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch

from harness.commands import _text
from harness.diagnosis.planted.bench import FOREIGN_FAMILY, PAIR, Bench, Case, PlantedTrial
from harness.diagnosis.planted.detectors import KINDS
from harness.diagnosis.planted.world import PlantedFault
from harness.diagnosis.search import Effort
from harness.results.store import write_atomic

NAMED, WRONG = 0.95, 0.02
TABLE = "why-bench.md"
COMMAND = "python -m harness dev why-bench"
HEADER = (
    "planted", "causes", "no effect", "asked", "named", "alone", "explained", "others in group",
    "wrong explains",
)  # fmt: skip


def run(args: argparse.Namespace) -> int:
    families = frozenset(filter(None, (name.strip() for name in args.families.split(","))))
    asked = partial(of_detector, out=args.out, seed=args.seed, families=families, only=args.only)
    # A detector is a process of its own: planting is by hand, on one core.
    with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(asked, range(len(KINDS))))
    trials = [trial for each, _ in found for trial in each]
    typed = COMMAND
    typed += f" --families {args.families}" if args.families else ""
    typed += f" --only {args.only}" if args.only else ""
    text = as_text(trials, sorted({name for _, missing in found for name in missing}), typed)
    write_atomic(Path(args.out) / TABLE, text.encode())
    print(text, end="")
    return 0 if passed(trials) else 1


def of_detector(
    number: int, out: Path, seed: int, families: frozenset[str], only: int
) -> tuple[list[PlantedTrial], list[str]]:
    """What came of everything that is planted in one detector, and what cannot be planted."""
    torch.set_num_threads(1)
    kind = KINDS[number]
    bench = Bench(kind, out / "why-bench" / kind.name, seed, workers=1)
    trials = []
    for case in chosen(bench, number, families, only):
        trial = bench.trial(case, Effort(seconds=36_000))
        print(said(trial), file=sys.stderr, flush=True)
        # How it is planted is a function, which no process can hand to another.
        trials.append(replace(trial, case=replace(case, fault=PlantedFault())))
    return trials, bench.missing


def chosen(bench: Bench, number: int, families: frozenset[str], only: int) -> Iterator[Case]:
    """What is planted in one detector: foreign causes first, so that pairs find their scores."""
    parts = len(KINDS)
    cases = [
        *(bench.foreign(number, parts) if not families or FOREIGN_FAMILY in families else ()),
        *bench.singles(number, parts),
        *(bench.pairs() if not families or PAIR in families else ()),
    ]
    planted = Counter[str]()
    for case in cases:
        wanted = not families or case.family in families
        if wanted and (not only or planted[case.family] < only):
            planted[case.family] += 1
            yield case


def counted(trials: Sequence[PlantedTrial]) -> list[PlantedTrial]:
    """Those that move a number, and whose numbers the catalogue can make."""
    return [each for each in trials if each.given and not each.case.random]


def passed(trials: Sequence[PlantedTrial]) -> bool:
    """At least 95 % of the planted causes are named, and at most 2 % of answers are wrong."""
    asked = counted(trials)
    known = [each for each in asked if each.case.names]
    named = sum(each.named for each in known)
    wrong = sum(bool(each.wrong) for each in asked)
    return named >= NAMED * len(known) and wrong <= WRONG * len(asked)


def as_text(trials: Sequence[PlantedTrial], missing: Sequence[str], typed: str = COMMAND) -> str:
    """The table of a command, and every cause that was not named or was explained wrongly."""
    families = dict.fromkeys(each.case.family for each in trials if not each.case.random)
    rows = [
        _row(name, [e for e in trials if e.case.family == name and not e.case.random])
        for name in families
    ]
    rows.append(_row("all", [each for each in trials if not each.case.random]))
    draws = [each for each in trials if each.case.random]
    rows.append(_row("draws of another seed (not counted)", draws))
    amiss = [said(e) for e in counted(trials) if e.wrong or (e.case.names and not e.named)]
    parts = [
        "# Planted causes",
        f"`{typed}` plants causes into numbers of small detectors on three subsets "
        "of the embedded suite, by code that shares nothing with the catalogue's, prints "
        "ACC and AP with one decimal, and asks `why`.",
        "```text\n" + _text.table(HEADER, rows) + "\n```",
        "named: it is in the group of conditions that the answer puts first. no effect: the "
        "numbers are those without it, so that there is nothing to explain.",
    ]
    if amiss:
        parts.append("Not named, or explained wrongly:\n\n" + "\n".join(f"- {e}" for e in amiss))
    if missing:
        parts.append("Not planted: " + ", ".join(missing) + ".")
    return "\n\n".join(parts) + "\n"


def _row(name: str, trials: Sequence[PlantedTrial]) -> list[str]:
    asked = [each for each in trials if each.given]
    known = [each for each in asked if each.case.names]
    named = [each for each in known if each.named]
    others = sum(each.group - 1 for each in named) / max(1, len(named))
    return [
        name,
        str(len(trials)),
        str(len(trials) - len(asked)),
        str(len(asked)),
        _share(len(named), len(known)),
        _share(sum(each.group == 1 for each in named), len(known)),
        _share(sum(each.explains for each in known), len(known)),
        f"{others:.1f}" if named else "-",
        _share(sum(bool(each.wrong) for each in asked), len(asked)),
    ]


def _share(part: int, whole: int) -> str:
    return f"{part} ({100 * part / whole:.1f} %)" if whole else "-"


def said(trial: PlantedTrial) -> str:
    """One trial in a line."""
    where = f"{trial.detector}: {trial.case.family}: {trial.case.name}"
    if not trial.given:
        return f"{where}: no effect"
    first = ", ".join(trial.first[:4]) or "nothing"
    wrong = f"; wrongly explained by {', '.join(trial.wrong[:4])}" if trial.wrong else ""
    named = "named" if trial.named else "not named" if trial.case.names else "not in the catalogue"
    return f"{where}: {named}, first {first}{wrong} ({', '.join(trial.given)})"
