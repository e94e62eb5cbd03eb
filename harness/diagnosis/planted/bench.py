"""How often ``why`` names a planted cause, and how often it says that a wrong one explains."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch

from harness.diagnosis.answering import Extras, about_row, explain
from harness.diagnosis.catalogue import catalogue
from harness.diagnosis.combined import overlaid
from harness.diagnosis.condition import Condition, Given, MetricCell, View
from harness.diagnosis.planted.detectors import Kind, small
from harness.diagnosis.planted.foreign import FOREIGN
from harness.diagnosis.planted.measures import PLANTERS as MEASURES
from harness.diagnosis.planted.network import PLANTERS as NETWORK
from harness.diagnosis.planted.pixels import PLANTERS as PIXELS
from harness.diagnosis.planted.planter import fault_of
from harness.diagnosis.planted.rows import PLANTERS as ROWS
from harness.diagnosis.planted.rows import listed
from harness.diagnosis.planted.world import Numbers, PlantedFault, World, embedded
from harness.diagnosis.row import ScoredRow, scored_row
from harness.diagnosis.search import Effort
from harness.diagnosis.view_scores import ViewScores
from harness.diagnosis.wanted import Sameness
from harness.engine.scorer import Compute, make_job
from harness.evaluation.plan import Settings
from harness.metrics.digits import Digits
from harness.results.answers import WhyAnswer

PLANTERS = (*MEASURES, *ROWS, *PIXELS, *NETWORK)
PAIRS = (7, 3)
"""Of a view and a free condition, and of two views, for each detector."""
PAIR, FOREIGN_FAMILY = "pair", "not in the catalogue"
_WIDER = ("real_acc", "fake_acc")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A cause that is planted.

    Args:
        family: of the condition, :data:`PAIR` or :data:`FOREIGN_FAMILY`.
        name: as people say it.
        names: any of which names it in an answer; none of a cause that is not in the catalogue.
        fault: how it is planted.
        random: it draws, so that its numbers are not those of the catalogue's draw.
    """

    family: str
    name: str
    names: tuple[str, ...]
    fault: PlantedFault
    random: bool = False


@dataclass(frozen=True, kw_only=True)
class PlantedTrial:
    """What came of a case.

    Args:
        detector: which.
        case: what was planted.
        given: the numbers that it made, () where they are those without it.
        named: it is in the group that the answer puts first.
        explains: it is said to explain.
        group: how many are in that group.
        first: names of the group that the answer puts first.
        wrong: names of others, of another group, that are said to explain.
    """

    detector: str
    case: Case
    given: tuple[str, ...] = ()
    named: bool = False
    explains: bool = False
    group: int = 0
    first: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()


@contextmanager
def weights_in(folder: Path) -> Iterator[None]:
    """Published checkpoints are looked for there."""
    before = os.environ.get("LFM_WEIGHTS")
    os.environ["LFM_WEIGHTS"] = str(folder)
    try:
        yield
    finally:
        del os.environ["LFM_WEIGHTS"]
        if before is not None:
            os.environ["LFM_WEIGHTS"] = before


class Bench:
    """A small detector on three subsets of the embedded suite, and the catalogue for it.

    Args:
        kind: the detector.
        out: folder of its weights and of kept scores.
        seed: of its training, and of the choice of pairs.

    Attributes:
        world: where faults are planted.
        conditions: the catalogue for it.
        missing: names that no planter makes.
    """

    def __init__(self, kind: Kind, out: Path, seed: int = 0, workers: int = 2) -> None:
        folder = (out / "weights").absolute()
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.seed = folder, seed
        self.world: World = embedded(small(kind, folder, seed))
        compute = Compute(device=torch.device("cpu"), workers=workers)
        with weights_in(folder):
            job = make_job(self.world.small.spec, "")
            self.row: ScoredRow = scored_row(
                job, self.world.selection, Settings(out=out, compute=compute, resampling=None)
            )
        self.views = ViewScores(self.row)
        orders = {name: listed(images.ids) for name, images in self.world.images.items()}
        self.extras = Extras(tokens=dict.fromkeys(self.world.small.others, ""), orders=orders)
        self.conditions, _ = catalogue(about_row(self.row, self.extras))
        self.faults: dict[str, PlantedFault] = {}
        self.missing: list[str] = []
        for each in self.conditions:
            fault = fault_of(PLANTERS, each.family, each.name)
            if fault is None:
                self.missing.append(each.name)
            else:
                self.faults[each.name] = fault

    def singles(self, part: int = 0, parts: int = 1) -> list[Case]:
        """Every condition of the catalogue that a planter makes; of those that need the images
        again a part, but all of those that this detector alone has."""

        def mine(each: Condition) -> bool:
            if each.cost == "free" or each.name.startswith("published"):
                return True
            return zlib.crc32(each.name.encode()) % parts == part

        return [
            Case(
                family=each.family,
                name=each.name,
                names=(each.name,),
                fault=self.faults[each.name],
                random=each.random,
            )
            for each in self.conditions
            if each.name in self.faults and mine(each)
        ]

    def foreign(self, part: int = 0, parts: int = 1) -> list[Case]:
        """Causes that are not in the catalogue; a part of them."""
        return [
            Case(family=FOREIGN_FAMILY, name=name, names=(), fault=fault)
            for name, fault in list(FOREIGN.items())[part::parts]
        ]

    def pairs(self, counts: tuple[int, int] = PAIRS) -> list[Case]:
        """Pairs whose numbers are those of neither part: of view and free, and of two views."""
        rng = np.random.default_rng(self.seed)
        usable = [each for each in self.conditions if each.name in self.faults and not each.random]
        views = [each for each in usable if isinstance(each.act, View)]
        free = [each for each in usable if not isinstance(each.act, View)]
        found: list[Case] = []
        for count, others in zip(counts, (free, views), strict=True):
            every = list(product(views, others))
            chosen = (every[place] for place in rng.permutation(len(every)))
            made = (case for one, two in chosen if (case := self._pair(one, two)) is not None)
            found += [case for case, _ in zip(made, range(count), strict=False)]
        return found

    def _pair(self, one: Condition, two: Condition) -> Case | None:
        both = isinstance(one.act, View) and isinstance(two.act, View)
        if both and (one.family == two.family or overlaid(one.act, two.act) is None):  # type: ignore[arg-type]
            return None
        try:
            fault = self.faults[one.name].also(self.faults[two.name])
        except ValueError:
            return None
        cells = [cell for cell, _ in self.cells()]
        numbers = [
            [made.get(cell) for cell in cells]
            for made in map(
                self.world.numbers,
                (fault, self.faults[one.name], self.faults[two.name], PlantedFault()),
            )
        ]
        if numbers[0] in numbers[1:]:
            return None
        names = (f"{one.name} + {two.name}", f"{two.name} + {one.name}")
        return Case(family=PAIR, name=names[0], names=names, fault=fault)

    def cells(self, wider: bool = False) -> list[tuple[str, MetricCell]]:
        """ACC and AP of each subset; wider: their means and the classes' accuracies as well."""
        metrics = ("acc", "ap", *(_WIDER if wider else ()))
        names = [*self.world.images, *(("mean",) if wider else ())]
        return [(f"{n}.{m}", MetricCell(n, m)) for n in names for m in metrics]

    def given(self, fault: PlantedFault) -> list[Given]:
        """The numbers that a fault makes; none where they are those without it.

        ACC and AP of each subset, and where these do not move the means and both classes' as well.
        """
        numbers, plain = self.world.numbers(fault), self.world.numbers()
        for wider in (False, True):
            cells = [each for each in self.cells(wider) if each[0] in numbers]
            if any(numbers[name] != plain[name] for name, _ in cells):
                return [self._given(name, cell, numbers, fault) for name, cell in cells]
        return []

    def _given(self, name: str, cell: MetricCell, numbers: Numbers, fault: PlantedFault) -> Given:
        stated = fault.stated if cell.metric == "acc" and cell.subset != "mean" else 0
        return Given(cell=cell, name=name, digits=Digits.parse(numbers[name]), n=stated)

    def answer(self, given: Sequence[Given], effort: Effort) -> WhyAnswer:
        """What ``why`` says of them."""
        with weights_in(self.folder):
            sameness = Sameness(why="the suite is part of this program")
            return explain(self.row, given, sameness, effort, self.extras, self.views)

    def trial(self, case: Case, effort: Effort) -> PlantedTrial:
        """Plants a cause, asks, and compares."""
        detector, given = self.world.small.kind.name, self.given(case.fault)
        if not given:
            return PlantedTrial(detector=detector, case=case)
        answer = self.answer(given, effort)
        matching = [each for each in answer.outcomes if each.verdict != "excluded"]
        mine = {each.group for each in matching if each.name in case.names}
        first = [each for each in matching if each.group == matching[0].group]
        return PlantedTrial(
            detector=detector,
            case=case,
            given=tuple(f"{each.name}={each.digits.text}" for each in given),
            named=any(each.name in case.names for each in first),
            explains=any(e.verdict == "explains" and e.group in mine for e in matching),
            group=len(first),
            first=tuple(each.name for each in first),
            wrong=tuple(e.name for e in answer.of("explains") if e.group not in mine),
        )
