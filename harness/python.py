"""The Python calls: ``harness.load``, ``evaluate``, ``records`` and ``why``."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from harness.api import DetectorSpec
from harness.commands import _jobs, _matrix, _score
from harness.commands._catalogue import command_line
from harness.data import cache
from harness.data.preprocess import parse
from harness.data.source import FileSource, Source
from harness.engine.scorer import Scorer, make_job
from harness.errors import BadImageError, SchemaError, UsageError
from harness.evaluation.matrix import Matrix
from harness.results.answers import WhyAnswer
from harness.results.predictions import read_predictions, scores_root
from harness.results.records import RunRecord
from harness.results.store import load_records

Picture = str | Path | np.ndarray[Any, Any] | Image.Image
"""A path (or a URL), an (H, W, 3) or (H, W) uint8 array, or a PIL picture."""


@dataclass(frozen=True, slots=True)
class HeldSource(Source):
    """An image that a caller holds.

    Args:
        name: what messages call it.
        data: a PNG file of its pixels.
    """

    name: str
    data: bytes

    def read(self) -> bytes:
        """The file."""
        return self.data

    def __str__(self) -> str:
        return self.name

    @property
    def holder(self) -> str:
        """Nothing on disk."""
        return ""


class LoadedDetector:
    """A detector with its weights, ready to score.

    Attributes:
        spec: what is known of it.
        name: ``lfm:released``: the detector and its weights' label.
        kind: of its scores: ``logit``, ``probability`` or ``uncalibrated``.
        threshold: a score above it means fake.
    """

    def __init__(self, chosen: _jobs.Chosen, compute: Any, preprocess: str) -> None:
        job = make_job(*chosen)
        self.spec: DetectorSpec = chosen.spec
        self.name = job.label
        self.kind = self.spec.score.kind
        self.threshold = self.spec.score.threshold
        self._compute = compute
        self._preprocess = parse(preprocess or self.spec.geometry["*"])
        self._scorer = Scorer(self.spec, job.loaded, compute)

    def score(self, images: Picture | Sequence[Picture]) -> pd.DataFrame:
        """Scores images, each by itself, in several threads on a CPU.

        Args:
            images: one, or several.

        Returns:
            A row an image, in order, with the columns ``image`` (the path, or ``image 3``),
            ``score`` (float64, larger = more fake), ``decision`` (``fake`` or ``real``) and
            ``threshold``.

        Raises:
            UsageError: something is no image; its place is named.
            BadImageError: an image cannot be decoded or scored; it is named.
        """
        several = [images] if isinstance(images, (str, Path, np.ndarray, Image.Image)) else images
        sources = [_source(image, number) for number, image in enumerate(several, start=1)]
        rows = _score.score_sources(sources, self._scorer, self._preprocess, self._compute)
        for row in rows:
            if row.error:
                raise BadImageError(row.path, row.error.removeprefix(f"{row.path}: "))
        columns = {
            "image": [row.path for row in rows],
            "score": [row.score for row in rows],
            "decision": [row.decision for row in rows],
            "threshold": [row.threshold for row in rows],
        }
        types = {"score": "float64", "threshold": "float64"}
        frame: pd.DataFrame = pd.DataFrame(columns).astype(types)
        return frame


@dataclass(frozen=True)
class Evaluation:
    """Records, as the command ``run`` leaves them.

    Args:
        records: one a detector, checkpoint and suite.
        out: the folder that holds them and their scores.
    """

    records: tuple[RunRecord, ...]
    out: Path

    def frame(self, rows: str = "metrics") -> pd.DataFrame:
        """The records as a tidy table.

        Args:
            rows: ``metrics``: a row a metric of a subset, and of the mean over a suite's subsets
                (``subset`` is then ``mean``): ``detector``, ``weights``, ``suite``, ``subset``,
                ``metric``, ``value`` (a fraction; NaN where it is not defined), ``low``, ``high``
                (its 95 % interval), ``n_real``, ``n_fake``, ``status`` and ``note`` (why it is not
                defined, or why there is no score). ``images``: a row a scored image: ``detector``,
                ``weights``, ``suite``, ``subset``, ``id``, ``label`` (0 real, 1 fake), ``score``
                and ``decision``.

        Raises:
            UsageError: other rows are asked for.
            SchemaError: kept scores are gone or damaged.
        """
        if rows not in ("metrics", "images"):
            raise UsageError(f"frame({rows!r})", hint="frame('metrics') or frame('images')")
        if rows == "metrics":
            values = [row for record in self.records for row in _metric_rows(record)]
            types = dict.fromkeys(("value", "low", "high"), "float64")
            frame: pd.DataFrame = pd.DataFrame(values, columns=METRIC_COLUMNS).astype(types)
            return frame
        found = [each for record in self.records for each in self._image_rows(record)]
        nothing = pd.DataFrame(columns=IMAGE_COLUMNS)
        every = pd.concat(found, ignore_index=True) if found else nothing
        images: pd.DataFrame = every.reindex(columns=IMAGE_COLUMNS)
        return images

    def _image_rows(self, record: RunRecord) -> Iterator[pd.DataFrame]:
        for result in record.subsets:
            if not result.predictions:
                continue
            root = scores_root(self.out, result)
            if root is None:
                raise SchemaError(f"{self.out / result.predictions}: the scores are gone")
            kept = read_predictions(root / result.predictions)
            columns = {"id": kept.ids, "label": kept.labels, "score": kept.scores}
            frame = pd.DataFrame({**columns, "decision": "real"})
            frame.loc[kept.scores > record.threshold, "decision"] = "fake"
            yield frame.assign(**_row(record, result.subset))


_WHICH = ["detector", "weights", "suite", "subset"]
METRIC_COLUMNS = [
    *_WHICH, "metric", "value", "low", "high", "n_real", "n_fake", "status", "note",
]  # fmt: skip
IMAGE_COLUMNS = [*_WHICH, "id", "label", "score", "decision"]


def _row(record: RunRecord, subset: str) -> dict[str, Any]:
    return {
        "detector": record.detector,
        "weights": record.weights.label,
        "suite": record.suite,
        "subset": subset,
    }


def _metric_rows(record: RunRecord) -> Iterator[dict[str, Any]]:
    for result in record.subsets:
        about = {
            **_row(record, result.subset),
            "n_real": result.n_real,
            "n_fake": result.n_fake,
            "status": result.status,
        }
        for name, metric in sorted(result.metrics.items()):
            yield {"metric": name, **vars(metric), **about}
        if not result.metrics:
            yield {"metric": "", "note": result.error, **about}
    total = {
        "n_real": sum(result.n_real for result in record.subsets),
        "n_fake": sum(result.n_fake for result in record.subsets),
        "status": "",
    }
    for name, metric in sorted(record.mean.items()):
        yield {"metric": name, **vars(metric), **_row(record, "mean"), **total}


def load(method: str, **flags: Any) -> LoadedDetector:
    """A detector, ready to score.

    Args:
        method: one entry of ``--method``: ``lfm:released``, ``mine.py:predict``, ``hf:OWNER/NAME``.
        flags: those of ``python -m harness score`` by their names: ``weights="mine.pth"``,
            ``device="cpu"``, ``preprocess="resize(224,224)"``, ``kind="logit"``.

    Raises:
        HarnessError: as the command's: an unknown detector or flag, weights that are absent.
    """
    args = command_line("score").read([*_words(flags), "--method", method, "--", "image"])
    chosen = _jobs.selected(args)
    if len(chosen) > 1:
        raise UsageError(f"load({method!r}): {len(chosen)} detectors, expected one")
    return LoadedDetector(chosen[0], _jobs.compute(args), args.preprocess)


def evaluate(method: str, **flags: Any) -> Evaluation:
    """Scores suites or own images, and keeps scores and records, as ``python -m harness run`` does.

    What is on disk is not computed again. A subset that fails is in the records with its error.

    Args:
        method: detectors, comma-separated, or ``all``.
        flags: those of ``run`` by their names: ``suite="mini:gan"``, ``images="photos"``,
            ``limit=20``, ``out="runs"``, ``on_bad_image="skip"``.

    Raises:
        HarnessError: as the command's.
    """
    args = command_line("run").read([*_words(flags), "--method", method])
    if args.twin or args.shard:
        raise UsageError(
            "harness.evaluate runs whole suites, without twins",
            hint="python -m harness run has --twin and --shard; harness.records reads what it left",
        )
    cache.keep_in(Path(args.out) / "cache")
    asked = _matrix.request(args)
    with _matrix.engine(args, asked) as engine:
        found = Matrix(asked.jobs, asked.settings, engine).run(asked.selections)
    return Evaluation((*found, *asked.broken), Path(args.out))


def why(**flags: Any) -> WhyAnswer:
    """Which known condition makes a number, as ``python -m harness why`` finds it.

    Args:
        flags: those of ``why`` by their names: ``method="lfm:released"``, ``suite="mini:gan"``,
            ``number=["ACC=62.3", "AP=64.1"]``, ``budget="5m"``, ``free=True``.

    Returns:
        The answer: every condition that was tried with its verdict and numbers; ``frame()`` gives
        a row a condition and number.

    Raises:
        HarnessError: as the command's.
    """
    from harness.commands import _why  # here: load and evaluate need none of it

    args = command_line("why").read(_words(flags))
    cache.keep_in(Path(args.out) / "cache")
    return _why.answered(args)


def records(out: str | Path = "runs") -> Evaluation:
    """Every record below an output folder."""
    return Evaluation(tuple(load_records(Path(out))), Path(out))


def _words(flags: dict[str, Any]) -> list[str]:
    """Keyword arguments as words of a command line."""
    words: list[str] = []
    for name, value in flags.items():
        flag = f"--{name.replace('_', '-')}"
        for each in value if isinstance(value, (list, tuple)) else [value]:
            if each is True:
                words.append(flag)
            elif each is not None and each is not False:
                words.append(f"{flag}={each}")
    return words


def _source(image: object, number: int) -> Source:
    """Where an image's bytes are; UsageError naming it where it is none."""
    if isinstance(image, (str, Path)):
        return FileSource(str(image))
    name = f"image {number}"
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or not (
            image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
        ):
            raise UsageError(
                f"{name} is an array of {image.dtype} and shape {image.shape}, expected uint8 and "
                "(H, W, 3) or (H, W)",
                hint="of values in [0, 1]: (array * 255).round().astype('uint8')",
            )
        image = Image.fromarray(image)
    if not isinstance(image, Image.Image):
        raise UsageError(f"{name} is a {type(image).__name__}, expected a path, array or picture")
    file = io.BytesIO()
    kept = image if image.mode in ("1", "L", "LA", "P", "RGB", "RGBA") else image.convert("RGB")
    kept.save(file, "PNG", compress_level=1)
    return HeldSource(name, file.getvalue())
