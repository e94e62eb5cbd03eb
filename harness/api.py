"""THE interface between the harness and detectors: the only module of ours a detector imports.

A detector file defines one or more module-level :class:`DetectorSpec` objects; the registry finds
them by scanning ``lfm/`` and ``baselines/``. Images reach a detector as ``(N, 3, H, W)`` float32
RGB in [0, 1]; a score is larger when the image looks more fake.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

REAL = 0
FAKE = 1

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class ScoreSpec:
    """What a raw score is. The decision is fake when ``score > threshold``, as the releases do."""

    kind: Literal["logit", "probability", "uncalibrated"]
    threshold: float


@dataclass(frozen=True, kw_only=True)
class InputRule:
    """Image sizes (after preprocessing, pixels) that a detector takes.

    Args:
        smallest: (height, width) of the smallest square it takes; stated to users and tested.
        multiple_of: both sides must be a multiple of this.
        check: further rule: ``check(height, width)`` returns what is wrong, or "" when nothing is.
    """

    smallest: tuple[int, int] = (1, 1)
    multiple_of: int = 1
    check: Callable[[int, int], str] | None = None

    def problem(self, height: int, width: int) -> str:
        """What is wrong with an image of this size, or "" when the detector takes it."""
        if height % self.multiple_of or width % self.multiple_of:
            return f"both sides must be a multiple of {self.multiple_of}"
        if self.check is not None:
            return self.check(height, width)
        if height < self.smallest[0] or width < self.smallest[1]:
            return f"the smallest size is {self.smallest[0]}x{self.smallest[1]}"
        return ""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A published checkpoint, or a published network that training starts from.

    Args:
        name: short label, unique within a detector, e.g. ``released``.
        filename: the name under which it is kept in the weights folder.
        url: where the authors publish it.
        sha256: hex digest of the file, or its first 8 digits or more where the publisher gives no
            others (torchvision and timm put 8 into the file's name), or "" when not known (then it
            is not fetched, only loaded when the user gives a file, and the record says so).
        size: bytes, or 0 when not known.
        licence: SPDX id, or what is known of the terms.
        trained_on: the training data in words.
        note: what a reader of a result must know about this file.
        variant: the entry of the spec's ``variants`` that this file belongs to.
        mapping: checkpoint key -> network key, or None for an entry that the network has no use
            for; for files whose names differ. None = names equal. A file that is one bare tensor
            has the key "".
        inside: the entry of the file that holds the named tensors, e.g. ``net``; ``model`` and
            ``state_dict`` are looked into without being told.
        also: files without which this one is incomplete. Their entries, each under its own
            ``mapping``, join this one's.
    """

    name: str
    filename: str
    url: str
    sha256: str
    size: int
    licence: str
    trained_on: str
    note: str = ""
    variant: str = ""
    mapping: Callable[[str], str | None] | None = None
    inside: str = ""
    also: tuple[Weights, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a detector is trained, as its authors published it.

    Args:
        epochs: passes over the training images, at most (see ``patience``).
        batch_size: images of one step, over all processes and accumulated parts.
        lr: highest learning rate; 0 for a detector that is fitted in one go.
        optimiser: ``adam`` (decay as an L2 term), ``adamw`` (decoupled decay), or ``sam``:
            sharpness-aware minimisation (arXiv 2010.01412), radius 0.05, over SGD with momentum
            ``betas[0]``.
        betas, eps: of Adam.
        weight_decay: of every parameter, or without ``decay_vectors`` only of those with more than
            one dimension (not of biases and normalisation).
        schedule: how the rate changes. ``step``: times ``lr_gamma`` every ``lr_step`` epochs.
            ``cosine``: half a cosine from ``lr`` to ``min_lr``, step by step. ``plateau``: times
            ``lr_gamma`` after ``patience`` epochs without gain; below ``min_lr`` training ends.
        warmup: epochs over which the rate first rises from 0 to ``lr``, step by step.
        patience: epochs without gain after which ``plateau`` lowers the rate and every other
            schedule ends training; 0 = never.
        monitor: the validation figure meant by gain and by best: ``val_ap``, ``val_acc`` or
            ``val_loss`` (mean binary cross-entropy of the scores).
        min_gain: the least change of ``monitor`` that counts as gain.
        keep: ``last`` epoch's weights, or the ``best`` one's by ``monitor``.
        balanced: every batch holds as many real as fake images.
        start: the entry of the spec's ``pretrained`` that training starts from, "" = at random.
        train_preprocess, val_preprocess: preprocess texts (see ``harness.data.preprocess``).
        source: where the values are published.
    """

    epochs: int
    batch_size: int
    lr: float
    optimiser: Literal["adam", "adamw", "sam"] = "adam"
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    decay_vectors: bool = True
    schedule: Literal["step", "cosine", "plateau"] = "step"
    lr_gamma: float = 1.0
    lr_step: int = 1
    min_lr: float = 0.0
    warmup: int = 0
    patience: int = 0
    monitor: Literal["val_ap", "val_acc", "val_loss"] = "val_ap"
    min_gain: float = 0.0
    keep: Literal["last", "best"] = "last"
    balanced: bool = False
    start: str = ""
    train_preprocess: str = "native"
    val_preprocess: str = "native"
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """One place where the released code and the paper differ, and what this project does."""

    what: str
    paper: str
    code: str
    here: str


@dataclass(frozen=True, kw_only=True)
class FileHeader:
    """What an image file says of itself without a pixel being looked at.

    Compressed byte count is left out on purpose: for losslessly coded files it is a statistic of
    the pixels, not of the container.
    """

    format: str
    width: int
    height: int
    mode: str
    jpeg_quality: int | None = None
    quantization: tuple[tuple[int, ...], ...] = ()
    subsampling: str = ""
    has_exif: bool = False
    has_icc: bool = False
    frames: int = 1


@runtime_checkable
class Detector(Protocol):
    """Scores pixels. The one method that every detector of pictures has."""

    def score(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) float32 RGB in [0, 1] -> (N,) finite scores, larger = more fake."""
        ...


@runtime_checkable
class HeaderDetector(Protocol):
    """Scores file headers and never sees a pixel."""

    def score_headers(self, headers: Sequence[FileHeader]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """N headers -> (N,) finite scores, larger = more fake."""
        ...


@runtime_checkable
class HasModule(Protocol):
    """Is one torch network: cost, Grad-CAM, devices and training by gradient follow from it."""

    module: nn.Module


@runtime_checkable
class HasEmbedding(Protocol):
    """Offers the vector before its last linear layer."""

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, D)."""
        ...


@runtime_checkable
class HasState(Protocol):
    """Has weights as named tensors: what a checkpoint stores. Loading is strict or it raises."""

    def state_dict(self) -> Mapping[str, Tensor]:
        """Name -> tensor."""
        ...

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Takes exactly the names and shapes of :meth:`state_dict`, or raises RuntimeError."""
        ...


@runtime_checkable
class Trainable(Protocol):
    """Is trained by gradient descent on batches of images."""

    module: nn.Module

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """(N, 3, H, W) in [0, 1] and (N,) float labels -> scalar; draws only from generator."""
        ...


@runtime_checkable
class Startable(Protocol):
    """Can begin its training from a published network."""

    def start_from(self, state: Mapping[str, Tensor]) -> None:
        """Takes a ``pretrained`` entry's tensors, named as its mapping names them.

        What they do not cover stays as it is. Raises RuntimeError for a name or shape that the
        network does not have.
        """
        ...


@runtime_checkable
class Fittable(Protocol):
    """Is fitted in one go on features (scikit-learn style)."""

    def features(self, images: Tensor) -> np.ndarray[Any, np.dtype[np.float64]]:
        """(N, 3, H, W) in [0, 1] -> (N, D) features."""
        ...

    def fit(
        self,
        features: np.ndarray[Any, np.dtype[np.float64]],
        labels: np.ndarray[Any, np.dtype[np.int64]],
        seed: int,
    ) -> None:
        """Fits on (N, D) features and (N,) labels."""
        ...


@runtime_checkable
class HeaderFittable(Protocol):
    """Is fitted in one go on file headers."""

    def fit_headers(
        self,
        headers: Sequence[FileHeader],
        labels: np.ndarray[Any, np.dtype[np.int64]],
        seed: int,
    ) -> None:
        """Fits on N headers and (N,) labels."""
        ...


@dataclass(frozen=True, kw_only=True)
class DetectorSpec:
    """Everything the harness knows of a detector before it is built.

    Args:
        name: registered name, lower case, as typed after ``--method``.
        title: name as printed in tables.
        family: ``local-artefact``, ``frequency``, ``clip``, ``control``, ...
        build: ``build(**options)`` returns a fresh detector with untrained weights.
        score: what a raw score is, and the declared threshold.
        geometry: suite name -> preprocess text; ``"*"`` is the default.
        input_rule: sizes it takes after preprocessing.
        evaluation_size: (height, width) at which cost is counted.
        weights: published checkpoints; the first is the default.
        recipe: how it is trained; None when it needs no training.
        pretrained: published networks that training can start from; no detectors, never scored.
        needs_pretrained: training keeps part of that network as it is, so that from random weights
            it would be another method.
        variants: training behaviours: name -> options for ``build``; the first is the default.
        version: raised whenever scores for the same weights change; part of every result's key.
        requires: extras (pyproject) it needs; the error names them.
        citation: how to cite the method.
        deviations: where paper and released code differ.
        paper_name: its row in the paper's tables, or "".
        notes: remarks for users (odd sizes, what it cannot take).
    """

    name: str
    title: str
    family: str
    build: Callable[..., Any]
    score: ScoreSpec
    geometry: Mapping[str, str]
    input_rule: InputRule = field(default_factory=InputRule)
    evaluation_size: tuple[int, int] = (256, 256)
    weights: tuple[Weights, ...] = ()
    recipe: Recipe | None = None
    pretrained: tuple[Weights, ...] = ()
    needs_pretrained: bool = False
    variants: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    version: int = 1
    requires: tuple[str, ...] = ()
    citation: str = ""
    deviations: tuple[Deviation, ...] = ()
    paper_name: str = ""
    notes: str = ""

    def preprocess_for(self, suite: str) -> str:
        """The published preprocess text for a suite."""
        return self.geometry.get(suite, self.geometry["*"])


class Normalised(nn.Module):
    """A network behind its own input normalisation: [0, 1] RGB in, the network's output out."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def normalise(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> what the network sees."""
        return (images - self.mean) / self.std

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> the network's output."""
        output: Tensor = self.network(self.normalise(images))
        return output


class TorchDetector:
    """A detector that is one torch network with one logit, normalisation inside.

    Args:
        network: maps normalised (N, 3, H, W) to (N, 1) or (N,) logits.
        mean, std: channel statistics of the normalisation.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        self.network = network
        self.module = Normalised(network, mean, std)

    def score(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N,) logits."""
        logits: Tensor = self.module(images)
        return logits.flatten()

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Binary cross-entropy with logits, mean over the batch."""
        return nn.functional.binary_cross_entropy_with_logits(self.score(images), labels)

    def start_from(self, state: Mapping[str, Tensor]) -> None:
        """Takes the given entries; those not given stay as they are."""
        unexpected = self.network.load_state_dict(state, strict=False).unexpected_keys
        if unexpected:
            raise RuntimeError(f"{len(unexpected)} unexpected names, first {unexpected[0]!r}")

    def state_dict(self) -> Mapping[str, Tensor]:
        """The network's entries under their official names."""
        return self.network.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Loads strictly; RuntimeError names missing and unexpected keys."""
        self.network.load_state_dict(state, strict=True)
