"""Scores of another program against ours, image by image: what numbers cannot decide, they do.

Equal, equal after a monotone map, equal under other ids, equal on a part of the images. Two
conditions that make one accuracy do not make one score for every image, so a handful of images
tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.diagnosis.condition import ScoredSubset, Scores
from harness.diagnosis.score_maps import (
    FEWEST,
    Band,
    Mask,
    ScoreMap,
    fitted_maps,
    known_maps,
    one_order,
)
from harness.diagnosis.score_orders import Reordering, blocks, part, readings
from harness.diagnosis.theirs import Theirs, common
from harness.results.answers import Verdict

MISFITS = 10
"""Images that do not fit, named at most."""
_NEARLY = 0.98
"""Share of the images from which on they stand in a known order."""
_SPARE = 0.1
"""Share of the other images that may fit a part's scores by accident."""

_RESIDUAL = "\0"
"""Where the residuals go in the words of a match: no id holds it."""

Kind = Literal["equal", "monotone", "permuted", "part", "none"]


@dataclass(frozen=True)
class Misfit:
    """An image with two scores: ours, and theirs as the file has it."""

    id: str
    ours: float
    theirs: float


@dataclass(frozen=True, kw_only=True)
class Match:
    """How the scores of another program stand to ours under a condition.

    Args:
        kind: ``equal``; ``monotone``: equal after a map that keeps or turns the order;
            ``permuted``: the same scores under other ids; ``part``: on some images; ``none``.
        verdict: ``explains``: the images fit, and enough scores can be told apart; ``possible``:
            that says too little, or is of a part of them; ``excluded``: they do not fit.
        share: of the common images that fit.
        images: that both have.
        median, largest: absolute residuals of what fits (of all, where nothing does), after the
            map, on the scale of the file; of a map without a name, differences from ours; 0
            without images.
        distinct: scores among those that fit that can be told apart.
        misfits: images that do not fit, the worst first, ``MISFITS`` at most.
        words: ``equal on 120 of 120 images (largest difference 3e-06)``.
    """

    kind: Kind
    verdict: Verdict
    share: float
    images: int
    median: float
    largest: float
    distinct: int
    misfits: tuple[Misfit, ...]
    words: str


def match(ours: ScoredSubset, theirs: Theirs, kind: str) -> Match:
    """Compares scores image by image.

    Args:
        ours: the images, scored under a condition; ids begin with a subset where several are
            pooled (:func:`harness.diagnosis.theirs.pooled`).
        theirs: what the file says.
        kind: of our scores: ``logit``, ``probability`` or ``uncalibrated``.
    """
    here, there = common(ours, theirs)
    if not here:
        return Match(
            kind="none", verdict="excluded", share=0.0, images=0, median=0.0, largest=0.0,
            distinct=0, misfits=(), words="no row of the file is about one of these images",
        )  # fmt: skip
    pairs = _Pairs(ours.take(here), theirs.scores[list(there)], theirs.half, kind, there)
    return next(pairs.matches())


class _Pairs:
    """The images that both have, and every way in which the two scores may belong together."""

    def __init__(
        self, ours: ScoredSubset, theirs: Scores, half: float, kind: str, rows: Sequence[int]
    ) -> None:
        self.ours, self.theirs, self.half, self.kind = ours, theirs, half, kind
        self.rows = rows
        self.bands = {how: self.band(how) for how in known_maps(kind)}

    def band(self, how: ScoreMap) -> Band:
        return Band.around(self.ours.scores, how, self.half)

    def matches(self) -> Iterator[Match]:
        """The first of them is the answer."""
        yield from self._same()
        yield from self._fitted()
        yield from self._reordered()
        yield from self._in_any_order(resolved=True)
        yield from self._part()
        yield from self._in_order()
        yield from self._in_any_order(resolved=False)
        yield self._none()

    def _same(self) -> Iterator[Match]:
        for how, band in self.bands.items():
            if band.fits(self.theirs).all():
                yield self._mapped(how, band)

    def _fitted(self) -> Iterator[Match]:
        """Maps that are made from the scores, where these are enough to contradict one."""
        x, y = self.ours.scores, self.theirs
        if self.bands[known_maps(self.kind)[0]].distinct() < FEWEST + 2:
            return
        for how in fitted_maps(x, y, self.kind):
            band = self.band(how)
            if band.fits(y).all() and band.distinct() >= FEWEST + how.fitted:
                yield self._mapped(how, band)

    def _in_order(self) -> Iterator[Match]:
        """A map that nobody has named: all that is known of it is that it keeps the order."""
        sign = one_order(self.ours.scores, self.theirs, self.half)
        if sign and len(np.unique(self.theirs)) >= FEWEST + 2:
            every = np.ones(len(self.theirs), dtype=bool)
            words = (
                f"in {'our order' if sign > 0 else 'the reverse of our order'} on {_of(every)}, "
                f"but no known map makes them of ours ({_RESIDUAL}): what hangs on the order alone "
                "(AP, AUC) is the same"
            )
            same = self.bands[known_maps(self.kind)[0]]
            yield self._found("monotone", "possible", same, every, words=words)

    def _mapped(self, how: ScoreMap, band: Band) -> Match:
        fits, distinct = band.fits(self.theirs), band.distinct()
        after = f" after a map: theirs are {how.words}," if how.words else ""
        few = "" if (enough := distinct >= FEWEST + how.fitted) else _too_few(distinct)
        return self._found(
            "monotone" if how.words else "equal",
            "explains" if enough else "possible",
            band,
            fits,
            words=f"equal{after} on {_of(fits)} ({_RESIDUAL}){few}",
        )

    def _reordered(self) -> Iterator[Match]:
        for reading in readings(self.ours.ids, self.ours.labels, self.rows):
            for how, band in self.bands.items():
                moved, theirs = band.take(reading.ours), self.theirs[reading.theirs]
                fits = moved.fits(theirs)
                if fits.mean() < _NEARLY or moved.take(fits).distinct() < FEWEST:
                    continue
                # Scores that are alike fit in any order: most of the others must fit as well.
                if 1 - fits.mean() <= 0.25 * (1 - self._by_chance(band)):
                    yield self._permuted(how, reading, moved, fits)

    def _in_any_order(self, *, resolved: bool) -> Iterator[Match]:
        """The same scores under ids of which no known order comes out.

        Args:
            resolved: most scores can be told apart. Where not, scores of other images are alike
                when they are sorted.
        """
        for how, band in self.bands.items():
            if not band.sorted_fits(self.theirs):
                continue
            distinct = band.distinct()
            if distinct >= FEWEST and (2 * distinct >= len(self.theirs)) == resolved:
                within = all(
                    band.take(block).sorted_fits(self.theirs[block])
                    for block in blocks(self.ours.labels)
                )
                words = "in some other order" + (" within each class" if within else "")
                words += "" if resolved else _too_few(distinct)
                order = Reordering(words, np.argsort(band.middle), np.argsort(self.theirs))
                moved = band.take(order.ours)
                fits = np.ones(len(self.theirs), dtype=bool)
                verdict: Verdict = "explains" if resolved else "possible"
                yield self._permuted(how, order, moved, fits, verdict)

    def _permuted(
        self,
        how: ScoreMap,
        reading: Reordering,
        moved: Band,
        fits: Mask,
        verdict: Verdict = "explains",
    ) -> Match:
        after = f" after a map: theirs are {how.words}," if how.words else ""
        words = (
            f"the same scores{after} under other ids on {_of(fits, len(self.theirs))} "
            f"({_RESIDUAL}): {reading.words}"
        )
        return self._found("permuted", verdict, moved, fits, reading, words=words)

    def _part(self) -> Iterator[Match]:
        how, band = self._nearest()
        fits = band.fits(self.theirs)
        expected = self._by_chance(band) * len(fits)
        if fits.sum() < max(FEWEST, expected + 4 * np.sqrt(expected)):
            return
        which = part(self.ours.ids, self.ours.labels, fits, _SPARE)
        if which or fits.mean() >= 0.5:
            found = which or "images that nothing in their ids sets apart"
            distinct = band.take(fits).distinct()
            after = f" after a map: theirs are {how.words}," if how.words else ""
            few = "" if distinct >= FEWEST else _too_few(distinct)
            words = f"equal{after} on {_of(fits)} ({_RESIDUAL}): {found}{few}"
            yield self._found("part", "possible", band, fits, words=words)

    def _none(self) -> Match:
        how, band = self._nearest()
        fits = band.fits(self.theirs)
        by_lot = self._by_chance(band) * len(fits)
        words = (
            f"no match: {_of(fits)} fit {how.words or 'ours'}, by lot {by_lot:.1f} would; of all "
            f"images: {_RESIDUAL}"
        )
        return self._found("none", "excluded", band, fits, words=words)

    def _nearest(self) -> tuple[ScoreMap, Band]:
        """The map under which most images fit; of several, the one with the smallest residuals."""

        def key(each: tuple[ScoreMap, Band]) -> tuple[int, float]:
            fits = each[1].fits(self.theirs)
            return -int(fits.sum()), float(np.median(np.abs(each[1].middle - self.theirs)))

        return min(self.bands.items(), key=key)

    def _by_chance(self, band: Band) -> float:
        """The share that would fit if theirs stood in an order by lot within each class."""
        classes = blocks(self.ours.labels)
        each = [band.take(b).by_chance(self.theirs[b]) * len(b) for b in classes]
        return sum(each) / len(self.theirs)

    def _found(
        self,
        kind: Kind,
        verdict: Verdict,
        band: Band,
        fits: Mask,
        reading: Reordering | None = None,
        *,
        words: str,
    ) -> Match:
        """With the residuals of what fits, or of all where nothing does, put into the words."""
        here = np.arange(len(self.theirs))
        at_ours, at_theirs = (reading.ours, reading.theirs) if reading else (here, here)
        ours, theirs = self.ours.scores[at_ours], self.theirs[at_theirs]
        residuals = np.abs(band.middle - theirs)
        worst = np.flatnonzero(~fits)[np.argsort(-residuals[~fits], kind="stable")][:MISFITS]
        shown = residuals if kind == "none" else residuals[fits]
        median, largest = float(np.median(shown)), float(shown.max())
        about = f"median difference {median:.2g}, largest {largest:.2g}"
        return Match(
            kind=kind,
            verdict=verdict,
            share=int(fits.sum()) / len(self.theirs),
            images=len(self.theirs),
            median=median,
            largest=largest,
            distinct=band.take(fits).distinct(),
            misfits=tuple(
                Misfit(self.ours.ids[at_theirs[place]], float(ours[place]), float(theirs[place]))
                for place in worst.tolist()
            ),
            words=words.replace(_RESIDUAL, about),
        )


def _of(fits: Mask, images: int = 0) -> str:
    images = images or len(fits)
    return f"{int(fits.sum())} of {images} image{'' if images == 1 else 's'}"


def _too_few(distinct: int) -> str:
    told = "1 score" if distinct == 1 else f"{distinct} scores"
    return f"; only {told} among these can be told apart, which decides little"
