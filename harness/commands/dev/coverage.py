"""``python -m harness dev coverage``: do intervals hold, and are equal detectors left together?"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from harness.commands import _flags
from harness.env import peak_memory, usable_cores
from harness.errors import UsageError
from harness.metrics.classification import Rule
from harness.metrics.coverage import METRICS, Kind, Setting, cover, false_positives
from harness.metrics.replicates import replicates
from harness.metrics.verdict import tell_apart
from harness.results.store import write_atomic

HELP = "simulates how often intervals hold the true value, and equal detectors are told apart"
WANTED = (0.92, 0.97)
MOST_APART = 0.06
MARKS = ("<!-- coverage: begin -->", "<!-- coverage: end -->")
_APS = (0.7, 0.9, 0.97, 0.99, 0.997, 0.999)
_QUICK_APS = (0.7, 0.97, 0.997)
_LARGE = 2_000  # images from which half the repeats must do


@dataclass(frozen=True, kw_only=True)
class CoverageLine:
    """One line of the table of coverages: a setting at several true APs.

    Args:
        title: of the line.
        settings: one for each true AP.
        repeats: simulated sets.
        paired: both detectors have the same training seeds.
    """

    title: str
    settings: tuple[Setting, ...]
    repeats: int
    paired: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--full", action="store_true", help="all settings: 12 minutes of processor time"
    )
    parser.add_argument("--repeats", type=_flags.positive, help="simulated sets of each setting")
    parser.add_argument(
        "--resamples", type=_flags.positive, default=300, help="of each set (default: %(default)s)"
    )
    parser.add_argument("--seed", type=_flags.count, default=0, help="default: %(default)s")
    parser.add_argument(
        "--workers", type=_flags.positive, default=usable_cores(), help="default: one a core"
    )
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="also into FILE, between its two marks"
    )
    parser.add_argument(
        "--speed",
        type=_flags.positive,
        metavar="IMAGES",
        help="time and memory of the bootstrap on so many images instead",
    )


def run(args: argparse.Namespace) -> int:
    """Simulates and prints; settings outside of what is wanted are named, not hidden."""
    if args.speed:
        print("\n".join(_speed(args.speed)))
        return 0
    if args.write is not None and not all(m in _read(args.write) for m in MARKS):
        raise UsageError(f"{args.write} has no place for it", hint=f"write {' and '.join(MARKS)}")
    text = "\n".join(_report(args))
    print(text)
    if args.write is not None:
        head, rest = _read(args.write).split(MARKS[0])
        tail = rest.split(MARKS[1])[1]
        write_atomic(args.write, f"{head}{MARKS[0]}\n{text}\n{MARKS[1]}{tail}".encode())
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def _report(args: argparse.Namespace) -> Iterator[str]:
    lines, pairs = _lines(args.full, args.repeats), _pairs(args.full, args.repeats)
    with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as pool:
        fixed = (args.resamples, args.seed)
        jobs = [
            [pool.submit(cover, s, each.repeats, *fixed) for s in each.settings] for each in lines
        ]
        apart = [
            pool.submit(false_positives, s, each.repeats, *fixed, paired=each.paired)
            for each in pairs
            for s in each.settings
        ]
        found = [[job.result() for job in row] for row in jobs]
        rates = iter([job.result() for job in apart])
    least = min(each.repeats for each in (*lines, *pairs))
    yield (
        f"{args.resamples} resamples; {least:,} simulated sets a number or more, so that chance "
        f"moves a 95 by ±{196 * math.sqrt(0.95 * 0.05 / least):.1f}. Seed {args.seed}."
    )
    for metric in METRICS:
        yield f"\n{metric.upper()}: intervals that hold the true value, %\n"
        yield from _table(lines, [[each[metric].held for each in row] for row in found], *WANTED)
    shares = [[next(rates) for _ in each.settings] for each in pairs]
    for metric in METRICS[::2]:
        yield f"\n{metric.upper()}: equal detectors that are told apart, %\n"
        yield from _table(pairs, [[each[metric] for each in row] for row in shares], 0, MOST_APART)


def _table(
    lines: Sequence[CoverageLine], shares: Sequence[Sequence[float]], low: float, high: float
) -> Iterator[str]:
    """Markdown; shares outside of low to high are bold, and named below."""
    aps = list(dict.fromkeys(setting.ap for line in lines for setting in line.settings))
    yield "| images | " + " | ".join(f"AP {100 * ap:g}" for ap in aps) + " |"
    yield "|---" + "|--:" * len(aps) + "|"
    outside = []
    for line, row in zip(lines, shares, strict=True):
        cells = dict.fromkeys(aps, "")
        for setting, share in zip(line.settings, row, strict=True):
            shown = f"{100 * share:.1f}"
            if not low <= share <= high:
                outside.append(f"{line.title} at AP {100 * setting.ap:g} ({shown})")
                shown = f"**{shown}**"
            cells[setting.ap] = shown
        yield f"| {line.title} | " + " | ".join(cells.values()) + " |"
    bounds = f"outside {100 * low:g} to {100 * high:g}"
    yield f"\n{bounds[0].upper()}{bounds[1:]} (bold): {'; '.join(outside) or 'none'}."


def _lines(full: bool, repeats: int | None) -> list[CoverageLine]:
    """What coverage is simulated for."""
    sizes: dict[Kind, tuple[tuple[int, int], ...]] = {
        "independent": ((20, 20), (150, 100), (1000, 1000), (4000, 4000)),
        "clusters": ((20, 20), (150, 100), (1000, 1000), (4000, 4000)),
        "ties": ((20, 20), (150, 100), (1000, 1000)),
        "far reals": ((150, 100), (1000, 1000)),
    }
    if not full:
        sizes = {"independent": ((20, 20), (150, 100)), "clusters": ((150, 100),)}
    made = [
        _line(f"{reals:,} + {fakes:,}, {kind}", full, repeats, reals=reals, fakes=fakes, kind=kind)
        for kind, each in sizes.items()
        for reals, fakes in each
    ]
    mini: dict[str, Any] = {"reals": 150, "fakes": 100}
    shared = mini | {"sets": 13, "shared": 149}
    made.append(_line("mean of 13 sets, 149 of 150 reals shared", full, repeats, **shared))
    if full:
        own = mini | {"sets": 13}
        made += [
            _line("mean of 13 sets, no image shared", full, repeats, **own),
            _line(
                "mean of 3 training seeds, 150 + 100", full, repeats, **mini, seeds=3, spread=0.2
            ),
        ]
    return made


def _pairs(full: bool, repeats: int | None) -> list[CoverageLine]:
    """What equal detectors are simulated for."""
    sizes = ((20, 20), (150, 100)) if full else ((150, 100),)
    seeds: dict[str, dict[str, Any]] = {
        "one checkpoint each": {},
        "3 seeds each": {"seeds": 3, "spread": 0.2},
    }
    if full:
        seeds |= {
            "2 seeds each": {"seeds": 2, "spread": 0.2},
            "3 seeds, images decide": {"seeds": 3},
            "3 seeds, seeds decide": {"seeds": 3, "spread": 0.6},
            "3 other seeds each": {"seeds": 3, "spread": 0.6},
        }
    pairs = [(size, name, how) for size in sizes for name, how in seeds.items()]
    if full:
        large = (1000, 1000)
        pairs += [(large, name, seeds[name]) for name in list(seeds)[:2]]
        sets: dict[str, Any] = {"sets": 13, "shared": 149, "seeds": 3, "spread": 0.2}
        pairs.append(((150, 100), "13 sets that share reals, 3 seeds each", sets))
    return [
        _line(
            f"{reals:,} + {fakes:,}, {name}",
            full,
            repeats,
            aps=(0.7, 0.97),
            paired="other" not in name,
            reals=reals,
            fakes=fakes,
            **how,
        )
        for (reals, fakes), name, how in pairs
    ]


def _line(
    title: str,
    full: bool,
    repeats: int | None,
    *,
    aps: Sequence[float] = (),
    paired: bool = True,
    **how: Any,
) -> CoverageLine:
    large = (how["reals"] + how["fakes"]) * how.get("sets", 1) >= _LARGE
    usual = (300 if large else 600) if full else (50 if large else 150)
    settings = tuple(Setting(ap=ap, **how) for ap in aps or (_APS if full else _QUICK_APS))
    return CoverageLine(title=title, settings=settings, repeats=repeats or usual, paired=paired)


def _speed(images: int) -> Iterator[str]:
    """Time and memory of both commands' bootstraps, printed as they come."""
    generator = np.random.default_rng(0)
    labels = np.arange(images) % 2
    units = [f"{number:064x}" for number in range(images)]
    rule = Rule(threshold=0.0, kind="logit")
    scores = [generator.normal(size=images) + 2 * labels for _ in range(2)]
    start = time.perf_counter(), time.process_time()
    replicates(labels, scores[0], units, rule, 1000)
    yield _took(f"1,000 resamples of all metrics, {images:,} images", *start)
    start = time.perf_counter(), time.process_time()
    rows = [replicates(labels, each, units, rule, 10_000)["ap"] for each in scores]
    tell_apart({0: rows[0]}, {0: rows[1]})
    yield _took(f"two rows told apart by 10,000 resamples, {images:,} images", *start)


def _took(what: str, wall: float, cpu: float) -> str:
    seconds, used = time.perf_counter() - wall, time.process_time() - cpu
    return f"{what}: {seconds:.1f} s ({used:.1f} s of processor time){_memory()}"


def _memory() -> str:
    """The largest memory of this process so far, where the system tells."""
    peak = peak_memory()
    return "" if peak is None else f", at most {peak / 1e9:.2f} GB so far"
