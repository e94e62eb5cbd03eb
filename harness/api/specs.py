"""What the harness knows of a detector before it is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

PublishedAP = Literal["ap", "ap_sigmoid32"]


@dataclass(frozen=True, kw_only=True)
class ScoreSpec:
    """What a raw score is. The decision is fake when ``score > threshold``, as the releases do.

    Args:
        kind: of the scores.
        threshold: on the scale of the scores.
        published_ap: the metric that ranks as the release ranks for its published AP:
            ``ap_sigmoid32``, float32 sigmoids of the logits, where large ones tie (a float32
            softmax of two logits ties in the same places); ``ap``, the scores as they are. The
            default is ``ap_sigmoid32`` for logits, ``ap`` for everything else. Where no release
            ranks anything, ``ap`` is to be said.

    Raises:
        ValueError: ``ap_sigmoid32`` of scores that are no logits.
    """

    kind: Literal["logit", "probability", "uncalibrated"]
    threshold: float
    published_ap: PublishedAP = ""  # type: ignore[assignment]  # by kind, see above

    def __post_init__(self) -> None:
        if not self.published_ap:
            rule: PublishedAP = "ap_sigmoid32" if self.kind == "logit" else "ap"
            object.__setattr__(self, "published_ap", rule)
        if self.published_ap == "ap_sigmoid32" and self.kind != "logit":
            raise ValueError(f"ap_sigmoid32 ranks sigmoids of logits, the scores are {self.kind}")


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

    @classmethod
    def only(cls, side: int, problem: str) -> InputRule:
        """Takes ``side`` x ``side`` only; ``problem`` is said of any other size."""
        return cls(
            smallest=(side, side),
            check=lambda height, width: "" if (height, width) == (side, side) else problem,
        )

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
            is fetched on ``--accept-unverified`` only, and the record says that nothing vouches
            for it).
        size: bytes, or 0 when not known.
        licence: SPDX id, or what is known of the terms.
        trained_on: the training data in words.
        note: what a reader of a result must know about this file.
        variant: the entry of the spec's ``variants`` that this file belongs to.
        mapping: checkpoint key -> network key, or None for an entry that the network has no use
            for; for files whose names differ. None = names equal. A file that is one bare tensor
            has the key "".
        inside: the entry of the file that holds the named tensors; ``model``, ``state_dict`` and
            ``net`` are looked into without being told.
        also: files without which this one is incomplete. Their entries, each under its own
            ``mapping``, join this one's.
        archive: the name of the zip archive that ``url`` gives and that holds the file, "" where
            ``url`` gives the file itself.
        not_papers: why these weights cannot give the detector's row in the paper's tables, ""
            where they may be that row's.
    """

    name: str
    filename: str
    url: str
    sha256: str
    size: int = 0
    licence: str
    trained_on: str
    note: str = ""
    variant: str = ""
    mapping: Callable[[str], str | None] | None = None
    inside: str = ""
    also: tuple[Weights, ...] = ()
    archive: str = ""
    not_papers: str = ""


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
class Behaviour:
    """A way to score the same weights that this project does not take: the paper's, another
    release's, that of a program that others use.

    Args:
        name: short, as people say it: ``without 2/3``.
        deviation: ``what`` of the deviation that it is of.
        options: for ``build``, over those of the variant.
        seen: where it was met, beside the deviation: a repository's thread or code.
        random: it draws, or is one of several draws.
        absent: why it cannot be tried; "" where the options do it.
    """

    name: str
    deviation: str
    options: Mapping[str, object] = field(default_factory=dict)
    seen: str = ""
    random: bool = False
    absent: str = ""


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
        training_only: those of the options that act in training alone: variants that differ in
            nothing else score alike with the same weights. A contract check holds a detector to it.
        takes_weights: it is nothing without a checkpoint, and none is published: a file is given.
        version: raised whenever scores for the same weights change; part of every result's key.
        requires: extras (pyproject) it needs; the error names them.
        citation: how to cite the method.
        deviations: where paper and released code differ.
        behaviours: other ways to score its weights, of those deviations that move scores.
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
    training_only: frozenset[str] = frozenset()
    takes_weights: bool = False
    version: int = 1
    requires: tuple[str, ...] = ()
    citation: str = ""
    deviations: tuple[Deviation, ...] = ()
    behaviours: tuple[Behaviour, ...] = ()
    paper_name: str = ""
    notes: str = ""

    def preprocess_for(self, suite: str) -> str:
        """The published preprocess text for a suite."""
        return self.geometry.get(suite, self.geometry["*"])

    def scoring_options(self, variant: str) -> Mapping[str, object]:
        """A variant's options that decide what the same weights score."""
        options = self.variants[variant]
        return {name: value for name, value in options.items() if name not in self.training_only}

    @property
    def variants_score_alike(self) -> bool:
        """Whether weights need not say which variant they are of."""
        different = [self.scoring_options(name) for name in self.variants]
        return all(options == different[0] for options in different)
