"""How often intervals hold the true value, and how often equal detectors are told apart: simulated.

Images are made from known distributions, so that the true value is known; then the very functions
that records and ``compare`` use make intervals and verdicts. Scores are normal (reals around 0,
fakes around a shift that gives the AP asked for), rounded to a grid of ties, or of Student's t with
3 degrees of freedom, whose far reals decide AP.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, stdtr

from harness.metrics.bootstrap import Draws, mean_draws
from harness.metrics.classification import Rule
from harness.metrics.interval import interval
from harness.metrics.replicates import replicates
from harness.metrics.values import Floats
from harness.metrics.verdict import tell_apart

METRICS = ("ap", "auc", "acc")
CLUSTER = 5
"""Images of a unit, where images are clustered; half of a score's variance is the unit's."""
GRID = 0.5
_SHARED = 0.5  # of a score's variance that two detectors, or the images of a unit, have in common
_SEED_SHARE = 0.25  # of it that is each training seed's own
_STEP = 1 / 256  # of the numeric integrals

Kind = Literal["independent", "clusters", "ties", "far reals"]
Generator = np.random.Generator


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is simulated.

    Args:
        reals, fakes: images of a set.
        ap: the true average precision.
        kind: of the images' scores.
        sets: more than one: the mean over as many sets, of which ``shared`` reals are the same.
        shared: reals that all sets share.
        seeds: training seeds of a row; their shifts differ by a standard deviation ``spread``.
        spread: of fakes' scores between seeds, in standard deviations between images.
    """

    reals: int
    fakes: int
    ap: float
    kind: Kind = "independent"
    sets: int = 1
    shared: int = 0
    seeds: int = 1
    spread: float = 0.0

    @property
    def images(self) -> str:
        """``150 + 100``, ``13 sets of 150 + 100, 149 reals shared``."""
        one = f"{self.reals:,} + {self.fakes:,}"
        if self.sets == 1:
            return one
        return f"{self.sets} sets of {one}, {self.shared} reals shared"


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How intervals of one metric did, in shares of the simulated sets.

    Args:
        held: they hold the true value.
        above, below: they lie above it, and below it.
        none: there is no interval.
        width: their mean width.
        truth: the true value.
    """

    held: float
    above: float
    below: float
    none: float
    width: float
    truth: float


def cover(setting: Setting, repeats: int, resamples: int, seed: int) -> dict[str, Coverage]:
    """Metric -> how often its interval holds the true value."""
    generator = np.random.default_rng([seed, *_entropy(setting)])
    world = _World(setting)
    edges: dict[str, list[tuple[float, float]]] = {name: [] for name in METRICS}
    for repeat in range(repeats):
        rows = world.row(generator, repeat, resamples)
        for name in METRICS:
            found = interval([seeds[name] for seeds in rows.values()])
            edges[name].append(found or (np.nan, np.nan))
    return {name: _counted(np.array(found), world.truth(name)) for name, found in edges.items()}


def false_positives(
    setting: Setting, repeats: int, resamples: int, seed: int, *, paired: bool = True
) -> dict[str, float]:
    """Metric -> how often two detectors of the same true value are told apart.

    Args:
        setting: of both.
        repeats: simulated pairs.
        resamples: of each.
        seed: of the simulation.
        paired: both have the same training seeds.
    """
    generator = np.random.default_rng([seed, 1, *_entropy(setting)])
    world = _World(setting)
    apart = dict.fromkeys(METRICS, 0)
    for repeat in range(repeats):
        pair = world.rows(generator, repeat, resamples, count=2)
        for name in METRICS:
            first, second = ({k: seeds[name] for k, seeds in row.items()} for row in pair)
            if not paired:
                second = {("other", key): draws for key, draws in second.items()}
            apart[name] += tell_apart(first, second).apart
    return {name: found / repeats for name, found in apart.items()}


def _entropy(setting: Setting) -> list[int]:
    kinds = ("independent", "clusters", "ties", "far reals")
    numbers = (setting.ap, setting.spread)
    return [
        setting.reals,
        setting.fakes,
        kinds.index(setting.kind),
        setting.sets,
        setting.shared,
        setting.seeds,
        *(round(1e6 * number) for number in numbers),
    ]


def _counted(edges: Floats, truth: float) -> Coverage:
    low, high = edges.T
    tiny = 1e-12
    return Coverage(
        held=float(np.mean((low <= truth + tiny) & (truth - tiny <= high))),
        above=float(np.mean(low > truth + tiny)),
        below=float(np.mean(high < truth - tiny)),
        none=float(np.mean(np.isnan(low))),
        width=float(np.nanmean(high - low)) if not np.isnan(low).all() else float("nan"),
        truth=truth,
    )


class _World:
    """Makes sets of scores of one setting, and knows the true values."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.shift = _shift(setting)
        self.rule = Rule(threshold=self.shift / 2, kind="uncalibrated")

    def truth(self, metric: str) -> float:
        """Over all images and all training seeds."""
        nodes, shares = np.polynomial.hermite_e.hermegauss(21 if self.setting.spread else 1)
        values = [
            _population(self.setting, self.shift + self.setting.spread * node, self.rule)[metric]
            for node in nodes.tolist()
        ]
        return float(np.average(values, weights=shares))

    def row(
        self, generator: Generator, repeat: int, resamples: int
    ) -> dict[Hashable, dict[str, Draws]]:
        """Training seed -> metric -> its mean over the sets."""
        return self.rows(generator, repeat, resamples, count=1)[0]

    def rows(
        self, generator: Generator, repeat: int, resamples: int, count: int
    ) -> list[dict[Hashable, dict[str, Draws]]]:
        """The same for several detectors on the same images."""
        setting = self.setting
        images = _Images(setting, generator, repeat)
        found: list[dict[Hashable, dict[str, Draws]]] = []
        for _ in range(count):
            own = images.noise()
            row: dict[Hashable, dict[str, Draws]] = {}
            for seed in range(setting.seeds):
                shift = self.shift + setting.spread * float(generator.normal())
                sets = images.scores(own, shift, alone=count == 1 and setting.seeds == 1)
                draws = [
                    replicates(images.labels, scores, units, self.rule, resamples)
                    for scores, units in zip(sets, images.units, strict=True)
                ]
                row[seed] = {name: mean_draws([each[name] for each in draws]) for name in METRICS}
            found.append(row)
        return found


class _Images:
    """The images of one simulated suite: their units, and what all detectors see in them."""

    def __init__(self, setting: Setting, generator: Generator, repeat: int) -> None:
        self.setting = setting
        self.generator = generator
        size = CLUSTER if setting.kind == "clusters" else 1
        self.labels = np.repeat([0, 1], [setting.reals, setting.fakes])
        # One pool of images; a set is the places of its own in it.
        self.places: list[np.ndarray[Any, np.dtype[np.int64]]] = []
        total = setting.shared
        for _ in range(setting.sets):
            own = setting.reals - setting.shared + setting.fakes
            self.places.append(np.concatenate([np.arange(setting.shared), total + np.arange(own)]))
            total += own
        self.total = total
        # A unit holds neighbours of one class: sizes of both classes are multiples of its size.
        self.groups = np.arange(total) // size
        self.units = [[f"{repeat}/{g}" for g in self.groups[p].tolist()] for p in self.places]
        self.seen = self._grouped() if size > 1 else self.noise()

    def noise(self) -> Floats:
        """(total,) what one detector, or one training of it, adds to the images' scores."""
        return np.asarray(self.generator.normal(size=self.total))

    def _grouped(self) -> Floats:
        unit = self.generator.normal(size=int(self.groups[-1]) + 1)[self.groups]
        return np.asarray(_SHARED**0.5 * unit + (1 - _SHARED) ** 0.5 * self.noise())

    def scores(self, own: Floats, shift: float, *, alone: bool) -> list[Floats]:
        """For each set its (N,) scores.

        Args:
            own: the detector's :meth:`noise`.
            shift: of the fakes.
            alone: one detector with one training: nothing is shared with another.
        """
        if self.setting.kind == "far reals":
            pool = self.generator.standard_t(3, size=self.total)
        elif alone:
            pool = self.seen
        else:
            seeded = _SEED_SHARE if self.setting.seeds > 1 else 0.0
            pool = _SHARED**0.5 * self.seen + (1 - _SHARED - seeded) ** 0.5 * own
            pool = pool + seeded**0.5 * self.noise()
        sets = [pool[places] + shift * self.labels for places in self.places]
        return [_rounded(each) for each in sets] if self.setting.kind == "ties" else sets


def _rounded(scores: Floats) -> Floats:
    return np.asarray(np.round(scores / GRID) * GRID)


def _shift(setting: Setting) -> float:
    """The fakes' shift that gives the setting's AP."""

    def gap(shift: float) -> float:
        rule = Rule(threshold=shift / 2, kind="uncalibrated")
        return _population(setting, shift, rule)["ap"] - setting.ap

    return float(brentq(gap, 0.0, 60.0 if setting.kind == "far reals" else 12.0, xtol=1e-7))


def _population(setting: Setting, shift: float, rule: Rule) -> dict[str, float]:
    """The metrics of infinitely many images."""
    step = GRID if setting.kind == "ties" else _STEP
    reach = 400.0 if setting.kind == "far reals" else 9.0
    below: Callable[[Floats], Floats] = ndtr
    if setting.kind == "far reals":
        below = _student3
    middles = np.arange(np.floor(-reach / step), np.ceil((reach + shift) / step) + 1) * step
    # Falling, as on the curve. A set of ties has a lump at each middle.
    edges = (middles - step / 2)[::-1]
    alarms, hits = 1 - below(edges), 1 - below(edges - shift)
    share = setting.fakes / (setting.fakes + setting.reals)
    taken = share * hits + (1 - share) * alarms
    precision = np.divide(share * hits, taken, out=np.ones_like(hits), where=taken > 0)
    gained, lost = np.diff(hits, prepend=0.0), np.diff(alarms, prepend=0.0)
    before = np.concatenate(([precision[0]], precision[:-1]))
    # Lumps enter together; a smooth curve is straight between two edges.
    height = precision if setting.kind == "ties" else (precision + before) / 2
    called = middles[::-1] > rule.threshold
    if setting.kind == "ties":
        called_fake = [float(each[called].sum()) for each in (gained, lost)]
    else:
        called_fake = [float(1 - below(np.asarray(rule.threshold - by))) for by in (shift, 0.0)]
    return {
        "ap": float(np.sum(gained * height)),
        "auc": float(np.sum(lost * (hits - gained / 2))),
        "acc": share * called_fake[0] + (1 - share) * (1 - called_fake[1]),
    }


def _student3(values: Floats) -> Floats:
    return np.asarray(stdtr(3, values))
