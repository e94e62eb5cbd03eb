"""Images of the embedded suite, a small detector, and the numbers that it gives, all by hand."""

from __future__ import annotations

import hashlib
import io
import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor

from harness.data.disk import DiskFolder
from harness.data.suite import Selection
from harness.diagnosis.planted.detectors import Convolutions, Kind, Small
from harness.suites import mini

Picture = np.ndarray[Any, np.dtype[np.uint8]]
Values = np.ndarray[Any, np.dtype[np.float64]]
Numbers = dict[str, str]
"""``gan_tconv.acc`` -> ``88.8``."""

SUBSETS = ("gan_tconv", "waifu_upconv_x2", "realcugan_x2")


@dataclass(frozen=True, kw_only=True)
class Images:
    """Encoded images of one subset, by label, then id.

    Args:
        ids: names.
        labels: 0 real, 1 fake.
        files: their bytes.
    """

    ids: tuple[str, ...]
    labels: tuple[int, ...]
    files: tuple[bytes, ...]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Scored images of one subset.

    Args:
        ids: names.
        labels: (N,) 0 real, 1 fake.
        scores: (N,) logits.
        digests: (N,) of their files.
        tied: the release ranks float32 sigmoids.
        calls: (N,) whether each is called fake, where that is not by a score above 0.
    """

    ids: tuple[str, ...]
    labels: np.ndarray[Any, np.dtype[np.int64]]
    scores: Values
    digests: tuple[str, ...]
    tied: bool = False
    calls: np.ndarray[Any, np.dtype[np.bool_]] | None = None

    def ranked(self) -> np.ndarray[Any, Any]:
        """(N,) what AP is of."""
        return sigmoid(self.scores.astype(np.float32)) if self.tied else self.scores

    def take(self, places: Iterable[int]) -> Rows:
        """Some of them, in the order given."""
        kept = [int(place) for place in places]
        return replace(
            self,
            ids=tuple(self.ids[place] for place in kept),
            labels=self.labels[kept],
            scores=self.scores[kept],
            digests=tuple(self.digests[place] for place in kept),
        )


Table = Mapping[str, Rows]


@dataclass(frozen=True, kw_only=True)
class PlantedLook:
    """How images get scores; what is None is as published.

    Args:
        decode: a file -> (H, W, 3) uint8.
        codec: a decoded picture, its label and file -> what is seen of it.
        shape: a picture -> those that are scored, whose mean counts: (3, H, W) in [0, 1].
        normal: (3, H, W) in [0, 1] -> what the network sees.
        run: the detector and a subset's inputs in order -> (N,) scores.
        mean: the scores of a picture's several inputs -> its score; None = their mean.
    """

    decode: Callable[[bytes], Picture] | None = None
    codec: Callable[[Picture, int, bytes], Picture] | None = None
    shape: Callable[[Picture, Kind], list[Tensor]] | None = None
    normal: Callable[[Tensor, Kind], Tensor] | None = None
    run: Callable[[Small, list[Tensor]], Values] | None = None
    mean: Callable[[Values], float] | None = None

    def also(self, other: PlantedLook) -> PlantedLook:
        """Both; ValueError where they change the same step."""
        new = {each.name: value for each in fields(other) if (value := getattr(other, each.name))}
        if any(getattr(self, name) for name in new):
            raise ValueError("two changes of one step")
        return replace(self, **new)


Measure = Callable[[Rows], float]


@dataclass(frozen=True, kw_only=True)
class PlantedFault:
    """What is done wrongly.

    Args:
        look: how images get scores.
        rows: which of them count, and with which label and score.
        measures: metric -> what is computed of a subset in its place.
        pooled: what hangs on several subsets: their rows and all numbers -> those that change.
        cut: digits are cut off, not rounded.
        stated: how many images accuracies are said to be over, 0 where nothing is said.
    """

    look: PlantedLook = PlantedLook()
    rows: Callable[[Table], Table] | None = None
    measures: Mapping[str, Measure] | None = None
    pooled: Callable[[Table, Mapping[str, float]], Mapping[str, float]] | None = None
    cut: bool = False
    stated: int = 0

    def also(self, other: PlantedFault) -> PlantedFault:
        """Both; ValueError where they change the same step."""
        changed = {
            each.name: value
            for each in fields(other)
            if each.name != "look" and (value := getattr(other, each.name))
        }
        if any(getattr(self, name) for name in changed):
            raise ValueError("two changes of one step")
        return replace(self, **changed, look=self.look.also(other.look))


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """A small detector in front of three subsets.

    Args:
        small: the detector.
        images: subset -> its images.
        selection: the same, as the harness knows them.
        scores: of looks that were taken already.
    """

    small: Small
    images: Mapping[str, Images]
    selection: Selection
    scores: dict[PlantedLook, dict[str, Values]] = field(default_factory=dict)

    def table(self, look: PlantedLook = PlantedLook()) -> dict[str, Rows]:
        """Every subset's scored images under a look."""
        if look not in self.scores:
            seen: dict[tuple[bytes, int], float] = {}
            self.scores[look] = {
                name: _scores(self.small, images, look, seen)
                for name, images in self.images.items()
            }
        return {
            name: Rows(
                ids=images.ids,
                labels=np.array(images.labels),
                scores=self.scores[look][name],
                digests=tuple(hashlib.sha256(data).hexdigest() for data in images.files),
                tied=self.small.kind.published_ap == "ap_sigmoid32",
            )
            for name, images in self.images.items()
        }

    def numbers(self, fault: PlantedFault = PlantedFault()) -> Numbers:
        """Every metric of every subset, and their plain means, printed with one decimal.

        What images of one class do not have is left out.
        """
        table: Table = self.table(fault.look)
        if fault.rows is not None:
            table = fault.rows(table)
        measures = {**MEASURES, **(fault.measures or {})}
        found = {f"{n}.{m}": of(rows) for m, of in measures.items() for n, rows in table.items()}
        for metric in measures:
            found[f"mean.{metric}"] = float(np.mean([found[f"{n}.{metric}"] for n in table]))
        if fault.pooled is not None:
            found |= fault.pooled(table, found)
        if fault.cut:
            found = {name: math.floor(value * 1000 + 1e-6) / 1000 for name, value in found.items()}
        known = {name: value for name, value in found.items() if not math.isnan(value)}
        return {name: f"{100 * value:.1f}" for name, value in known.items()}


def called_right(rows: Rows) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """(N,) fake above 0."""
    calls = rows.scores > 0 if rows.calls is None else rows.calls
    return np.asarray(calls == (rows.labels == 1))


def accuracy(rows: Rows) -> float:
    """Right decisions."""
    return _share(called_right(rows))


def class_accuracy(label: int) -> Measure:
    """Right decisions on one class."""
    return lambda rows: _share(called_right(rows)[rows.labels == label])


def _share(right: np.ndarray[Any, Any]) -> float:
    return float(right.mean()) if right.size else math.nan


def auc(rows: Rows) -> float:
    """Area under the ROC curve, of the logits."""
    return float(roc_auc_score(rows.labels, rows.scores))


def average_precision(rows: Rows) -> float:
    """As the release ranks."""
    if len(set(rows.labels.tolist())) < 2:
        return math.nan
    return float(average_precision_score(rows.labels, rows.ranked()))


def sigmoid(scores: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """In the arithmetic of its argument."""
    with np.errstate(over="ignore"):
        one = scores.dtype.type(1)
        return np.asarray(one / (one + np.exp(-scores)))


MEASURES: dict[str, Measure] = {
    "acc": accuracy,
    "ap": average_precision,
    "real_acc": class_accuracy(0),
    "fake_acc": class_accuracy(1),
}


def decoded(data: bytes) -> Picture:
    """As Pillow has it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.array(Image.open(io.BytesIO(data)).convert("RGB"))


def tensor(picture: Picture) -> Tensor:
    """(H, W, 3) uint8 -> (3, H, W) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(picture)).movedim(-1, 0).float() / 255


def published_shape(picture: Picture, kind: Kind) -> list[Tensor]:
    """The picture, perhaps resized, or its central square."""
    if kind.resize:
        size = (kind.resize, kind.resize)
        picture = np.array(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))
    if kind.crop:
        top, left = ((side - kind.crop) // 2 for side in picture.shape[:2])
        picture = picture[top : top + kind.crop, left : left + kind.crop]
    return [tensor(picture)]


def normal(image: Tensor, kind: Kind) -> Tensor:
    """Minus the mean, by the standard deviation."""
    mean, std = (torch.tensor(part).view(3, 1, 1) for part in kind.statistics)
    return (image - mean) / std


def forward(network: Convolutions, inputs: Sequence[Tensor]) -> Values:
    """Normalised (3, H, W) each -> (N,) scores, those of one size together."""
    scores = np.empty(len(inputs))
    by_size: dict[tuple[int, ...], list[int]] = {}
    for place, each in enumerate(inputs):
        by_size.setdefault(tuple(each.shape), []).append(place)
    with torch.inference_mode():
        for places in by_size.values():
            for start in range(0, len(places), 25):
                rows = places[start : start + 25]
                found = network(torch.stack([inputs[place] for place in rows])).flatten()
                scores[rows] = found.double().numpy()
    return scores


def _scores(
    small: Small, images: Images, look: PlantedLook, seen: dict[tuple[bytes, int], float]
) -> Values:
    """The scores of a subset; of an image that several subsets share only once."""
    keys = list(zip(images.files, images.labels, strict=True))
    todo = [key for key in keys if key not in seen or look.run is not None]
    groups = [_inputs(small.kind, look, *key) for key in todo]
    inputs = [each for group in groups for each in group]
    run = look.run or (lambda detector, given: forward(detector.network, given))
    found = run(small, inputs)
    ends = np.cumsum([len(group) for group in groups])
    for key, end, group in zip(todo, ends, groups, strict=True):
        seen[key] = float((look.mean or np.mean)(found[end - len(group) : end]))
    return np.array([seen[key] for key in keys])


def _inputs(kind: Kind, look: PlantedLook, data: bytes, label: int) -> list[Tensor]:
    picture = (look.decode or decoded)(data)
    if look.codec is not None:
        picture = look.codec(picture, label, data)
    shaped = (look.shape or published_shape)(picture, kind)
    return [(look.normal or normal)(each, kind) for each in shaped]


def embedded(small: Small) -> World:
    """Three subsets of the embedded suite, which share their reals."""
    subsets = tuple(each for each in mini.SUITE.subsets if each.name in SUBSETS)
    images = {}
    for subset in subsets:
        samples = mini.SUITE.adapter(mini.SUITE, subset, DiskFolder(mini.DATA))
        samples = sorted(samples, key=lambda each: (each.label, each.id))
        images[subset.name] = Images(
            ids=tuple(each.id for each in samples),
            labels=tuple(each.label for each in samples),
            files=tuple(each.source.read() for each in samples),
        )
    selection = Selection(suite=mini.SUITE, subsets=subsets)
    return World(small=small, images=images, selection=selection)
