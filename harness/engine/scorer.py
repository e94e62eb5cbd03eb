"""A detector made ready to score: weights loaded, on its device, in its fastest equal form."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.api import (
    Detector,
    DetectorSpec,
    FileDetector,
    FileHeader,
    HasModule,
    HeaderDetector,
)
from harness.checkpoints.resolve import LoadedWeights, load_into, resolve
from harness.data.preprocess import refuse_size
from harness.engine.accelerate import CHECK_SIZES, Accelerated, accelerate
from harness.engine.plain import Plain
from harness.engine.towers import Towers
from harness.errors import BadImageError, CannotScoreError, DetectorError, WeightsMissingError
from harness.registry import detectors as registry
from harness.results.records import WeightsRef, row_name

CPU = torch.device("cpu")

Scores = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Where and how networks run.

    Args:
        device: as resolved, never ``auto``.
        precision: ``fp32`` or ``bf16``.
        runtime: see :func:`harness.engine.accelerate.accelerate`.
        batch_size: images in a forward pass.
        workers: threads that read and decode; with batch size 1 on a CPU they also score.
    """

    device: torch.device
    precision: str = "fp32"
    runtime: str = "torch"
    batch_size: int = 1
    workers: int = 1

    @property
    def per_image(self) -> bool:
        """Each worker takes an image from file to score: fastest on a CPU, and batch-free."""
        return self.device.type == "cpu" and self.batch_size == 1


def with_options(spec: DetectorSpec, variant: str, options: Mapping[str, object]) -> DetectorSpec:
    """The spec whose weights of a variant ("" where it has none) are built with other options."""
    return dataclasses.replace(spec, variants={**spec.variants, variant: options})


def ready(spec: DetectorSpec, loaded: LoadedWeights, device: torch.device = CPU) -> Any:
    """A detector with its weights, as written, in eval mode, its network on the device.

    Raises:
        WeightsError: the weights do not fit.
    """
    detector = spec.build(**spec.variants.get(loaded.variant, {}))
    load_into(detector, loaded, spec)
    if isinstance(detector, HasModule):
        detector.module.eval().to(device)
    return detector


class Scorer:
    """A detector with its weights; :meth:`pixels` and :meth:`header` may be called by threads.

    Args:
        spec: the detector's spec.
        loaded: its weights, without any state for a detector that has none.
        compute: where it runs.
        towers: what other detectors of the run hold, so that a backbone is kept once; None where it
            is alone.
        change: what is done to the built detector before it is made fast: it gives the detector
            that scores. One that gives a :class:`~harness.engine.plain.Plain` one is tried at once
            on a small image.

    Attributes:
        function: its score of pixels; None for a detector that sees file headers only.

    Raises:
        WeightsError: the weights do not fit.
        DetectorError: it scores nothing, or cannot be run so changed.
    """

    def __init__(
        self,
        spec: DetectorSpec,
        loaded: LoadedWeights,
        compute: Compute,
        towers: Towers | None = None,
        change: Callable[[Any], Any] | None = None,
    ) -> None:
        self.spec = spec
        detector = ready(spec, loaded)
        if change is not None:
            detector = change(detector)
        self._plain = detector if isinstance(detector, Plain) else None
        if self._plain is not None:  # what it holds is changed, so nobody else may use it
            towers = None
            self.spec = dataclasses.replace(
                spec, input_rule=self._plain.input_rule or spec.input_rule
            )
        if towers is not None:
            towers.adopt(detector, row_name(spec.name, loaded.ref.label))
        self.function: Accelerated | None = None
        self._headers = detector if isinstance(detector, HeaderDetector) else None
        self._files = detector if isinstance(detector, FileDetector) else None
        if isinstance(detector, Detector):
            self.function = accelerate(
                detector,
                device=compute.device,
                precision=compute.precision,
                runtime=compute.runtime,
                sizes=_check_sizes(self.spec),
                shared=towers.modules if towers is not None else (),
            )
        elif self._headers is None and self._files is None:
            raise DetectorError(
                f"{spec.name}: has neither score() nor score_headers() nor score_files()"
            )
        if self._plain is not None:
            self._try(self._plain)

    @property
    def reads_pixels(self) -> bool:
        """False for a detector that sees file headers, or whole files."""
        return self.function is not None

    def pixels(self, images: Tensor, name: str) -> Scores:
        """(N, 3, H, W) float32 in [0, 1] -> (N,) scores; ``name`` is an image for messages."""
        refuse_size(self.spec, images.shape[2:], name)
        assert self.function is not None
        try:
            scores = self.function(images).numpy()
        except CannotScoreError as error:
            raise self._bad(in_batch(error.index, name), error) from error
        except (RuntimeError, ValueError, TypeError) as error:
            if self._plain is None:
                raise
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            what = f"{self.spec.name} cannot be run under {self._plain.name}"
            raise DetectorError(f"{what}: {name}: {reason}") from error
        return self._checked(scores, len(images), name)

    def _try(self, plain: Plain) -> None:
        """Two images at most: a batch norm in training mode must have what it takes one of."""
        generator = torch.Generator().manual_seed(0)
        count = min(2, plain.batch or 1)
        size = _check_sizes(self.spec)[0]
        self.pixels(torch.rand(count, 3, *size, generator=generator), "an image of noise")

    def encoded(self, data: bytes, header: FileHeader, name: str) -> float:
        """One encoded image file, and what it says of itself -> its score.

        Raises:
            BadImageError: the detector cannot score this file; ``name`` is the image.
        """
        if self._headers is not None:
            return float(self._checked(self._headers.score_headers([header]), 1, name)[0])
        assert self._files is not None
        # A copy under a neutral name: a folder called 1_fake must not tell, and nothing that the
        # detector does to the file is done to the data.
        with tempfile.TemporaryDirectory(prefix="lfm-bench-") as folder:
            file = Path(folder) / f"image.{header.format.lower()}"
            file.write_bytes(data)
            try:
                scores = self._files.score_files([file])
            except CannotScoreError as error:
                raise self._bad(name, error) from error
        return float(self._checked(scores, 1, name)[0])

    def _bad(self, name: str, error: CannotScoreError) -> BadImageError:
        bad = BadImageError(name, f"{self.spec.name} cannot score it: {error.reason}")
        bad.hint = "`--on-bad-image skip` leaves such images out and says so"
        return bad

    def _checked(self, scores: Scores, count: int, name: str) -> Scores:
        if scores.shape != (count,):
            raise DetectorError(
                f"{self.spec.name}: {count} images gave scores {scores.shape}",
                hint=f"python -m harness dev contract {self.spec.name}",
            )
        if not np.isfinite(scores).all():
            raise DetectorError(
                f"{self.spec.name}: {not_finite(scores, name)}", hint=NOT_FINITE_HINT
            )
        return scores.astype(np.float64, copy=False)


NOT_FINITE_HINT = (
    "take another checkpoint, or leave out --precision: weights that are not finite, or too large, "
    "do this"
)


def not_finite(values: Scores, name: str) -> str:
    """Which image of a batch has no finite result.

    Args:
        values: (N,) or (N, D) of the batch's images, one of them not finite.
        name: of the first image.
    """
    row = int(np.argmax(~np.isfinite(values.reshape(len(values), -1)).all(axis=1)))
    return f"its result for {in_batch(row, name)} is not finite"


def in_batch(row: int, name: str) -> str:
    """How an image of a batch is called whose first one is ``name``."""
    return name if row == 0 else f"image {row + 1} of the batch that begins with {name}"


def _check_sizes(spec: DetectorSpec) -> list[tuple[int, int]]:
    """Two sizes that the detector takes, its evaluation size where it takes no other."""
    sizes = dict.fromkeys((*CHECK_SIZES, spec.evaluation_size))
    return [size for size in sizes if not spec.input_rule.problem(*size)][:2]


@dataclass(frozen=True, kw_only=True)
class Job:
    """A detector with one checkpoint, under one treatment of the images: a row of a table.

    Args:
        spec: the detector.
        loaded: its weights, read and hashed; the network is built when there is work for it.
        token: as typed after the detector's name, "" for its default.
        geometry: suite -> preprocess text in place of the published one; ``"*"`` is the default.
        perturbation: suite -> perturbation text; ``"*"`` is the default.
        protocol: name of the published way of comparing that these are of, "" for LFM's.
    """

    spec: DetectorSpec
    loaded: LoadedWeights
    token: str = ""
    geometry: Mapping[str, str] = field(default_factory=dict)
    perturbation: Mapping[str, str] = field(default_factory=dict)
    protocol: str = ""

    def preprocess_for(self, suite: str) -> str:
        """The preprocess text for a suite."""
        own = self.geometry.get(suite, self.geometry.get("*", ""))
        return own or self.spec.preprocess_for(suite)

    def perturbation_for(self, suite: str) -> str:
        """The perturbation text for a suite, "" for none."""
        return self.perturbation.get(suite, self.perturbation.get("*", ""))

    @property
    def weights(self) -> WeightsRef:
        """Which checkpoint."""
        return self.loaded.ref

    @property
    def label(self) -> str:
        """``lfm:released``: how logs and tables call it."""
        return row_name(self.spec.name, self.weights.label)


def make_job(spec: DetectorSpec, token: str, variant: str = "") -> Job:
    """Resolves a detector's weights; WeightsError says what to fetch or train.

    Args:
        spec: the detector.
        token: which weights, as typed after its name; "" = its default.
        variant: that they are of, for a file that does not say it.

    Raises:
        UsageError: the detector needs an extra that is not installed.
    """
    try:
        loaded = resolve(spec, token, variant)
    except WeightsMissingError as error:  # of two things missing, the file is harder to get
        if extra := registry.missing_extra(spec):
            error.hint += f"; it needs the extra {extra!r} too: {registry.install_hint(extra)}"
        raise
    registry.require_extras(spec)
    return Job(spec=spec, loaded=loaded, token=token)
