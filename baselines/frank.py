"""Frank: log-DCT of the whole picture, then a small classifier (ICML 2020, arXiv 2003.08685).

Idea: up-sampling leaves a grid in the spectrum; standardise every DCT coefficient over the training
set, and a linear model separates. ``frank`` is that linear model, fitted to its optimum by
scikit-learn; ``frank-net`` trains the release's networks by Adam, as published. The ResNet-50 on
the same features that benchmarks usually run under this name is ``fredect``.
Provenance: written from a description of github RUB-SysSec/GANDCTAnalysis (988c4c3, MIT); no line
of that repository is copied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from baselines._chance import dropout
from baselines._frank import (
    ConvNet,
    DenseNet,
    LinearNet,
    Net,
    ResidualNet,
    SpectralDetector,
    SpectralNetwork,
    only,
)
from baselines._logistic import Features, Labels
from baselines._spectrum import log_dct
from harness.api import (
    DetectorSpec,
    Deviation,
    Recipe,
    ScoreSpec,
)

SIDE = 128
PENALTY = 0.01

NETS: dict[str, Callable[[], Net]] = {
    "cnn": lambda: ConvNet(SIDE),
    "nn": lambda: DenseNet(SIDE),
    "resnet": ResidualNet,
    "linear": lambda: LinearNet(SIDE),
}

# The release's names: linear = log, lasso = log1, ridge = log2, elastic = log3.
VARIANTS: dict[str, dict[str, object]] = {
    "cnn": {"net": "cnn"},
    "nn": {"net": "nn", "l2": PENALTY},
    "resnet": {"net": "resnet"},
    "linear": {"net": "linear"},
    "lasso": {"net": "linear", "l1": PENALTY},
    "ridge": {"net": "linear", "l2": PENALTY},
    "elastic": {"net": "linear", "l1": PENALTY, "l2": PENALTY},
    "ridge-pixels": {"net": "linear", "l2": PENALTY, "pixels": True},
}


class FrankLinear:
    """Log-DCT, standardised, one linear layer: the optimum of the release's ``log2`` objective.

    The release minimises mean cross-entropy + l2 * sum(w^2), bias not penalised, by Adam; this is
    scikit-learn's ``LogisticRegression`` with C = 1 / (2 l2 n).

    Args:
        l2: the penalty.
    """

    def __init__(self, l2: float = PENALTY) -> None:
        self.l2 = l2
        self._layer = LinearNet(SIDE)
        nn.init.zeros_(self._layer.fc1.weight)
        self._network = SpectralNetwork(self._layer, SIDE)
        self.module: nn.Module = self._network

    def features(self, images: Tensor) -> Features:
        """(N, 3, 128, 128) in [0, 1] -> (N, 49152) log-DCT."""
        features: Features = log_dct(images.cpu()).flatten(1).numpy()
        return features

    @torch.no_grad()
    def fit(self, features: Features, labels: Labels, seed: int) -> None:
        """Fits on (N, 49152) features and (N,) labels; the solver draws nothing from the seed."""
        from sklearn.linear_model import LogisticRegression  # here: scoring does without
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(features)
        # The default tolerance is a largest gradient; with 49152 small ones it ends far too early.
        strength = 1 / (2 * self.l2 * len(labels))
        model = LogisticRegression(C=strength, tol=1e-7, max_iter=1000)
        model.fit(scaler.transform(features), labels)
        statistics, shape = self._network.standardise, (3, SIDE, SIDE)
        assert statistics is not None
        statistics.mean.copy_(torch.from_numpy(scaler.mean_.reshape(shape)))
        statistics.variance.copy_(torch.from_numpy(scaler.var_.reshape(shape)))
        statistics.count.fill_(len(labels))
        kernel = np.moveaxis(model.coef_.reshape(shape), 0, -1).reshape(1, -1)
        self._layer.fc1.weight.copy_(torch.from_numpy(kernel.copy()))
        self._layer.fc1.bias.copy_(torch.from_numpy(model.intercept_))

    def score(self, images: Tensor) -> Tensor:
        """(N, 3, 128, 128) in [0, 1] -> (N,) logits."""
        logits: Tensor = self.module(images)
        return logits.flatten()

    def state_dict(self) -> Mapping[str, Tensor]:
        """Statistics and linear layer."""
        return self.module.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Strict; RuntimeError otherwise."""
        self.module.load_state_dict(state, strict=True)


class FrankNet(SpectralDetector):
    """One of the release's networks with its penalties.

    Args:
        net: a name of :data:`NETS`.
        l1, l2: penalties l1 * sum|w| and l2 * sum(w^2) (Keras has no half) on the first kernel.
        pixels: the release's pixel variant.
    """

    def __init__(
        self, net: str = "cnn", l1: float = 0.0, l2: float = 0.0, pixels: bool = False
    ) -> None:
        self.net = NETS[net]()
        super().__init__(SpectralNetwork(self.net, SIDE, pixels=pixels), SIDE)
        self.l1 = l1
        self.l2 = l2

    def logits(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """With dropout before the last layer, where the network has it."""
        hidden = self.net.hidden(self.network.inputs(images, observe=True))
        if self.net.dropout:
            hidden = dropout(hidden, self.net.dropout, generator)
        logits: Tensor = getattr(self.net, self.net.last)(hidden)
        return logits

    def penalty(self) -> Tensor | float:
        """l1 * sum|w| + l2 * sum(w^2)."""
        kernel = self.net.penalised()
        if kernel is None or not (self.l1 or self.l2):
            return 0.0
        return self.l1 * kernel.abs().sum() + self.l2 * (kernel**2).sum()

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, 128, 128) in [0, 1] -> (N, D), the last layer's input."""
        return self.net.hidden(self.network.inputs(images))


def build_net(**options: object) -> FrankNet:
    """One of the release's networks, untrained; options as of :class:`FrankNet`."""
    return FrankNet(**options)  # type: ignore[arg-type]


CITATION = (
    "Frank et al., Leveraging Frequency Analysis for Deep Fake Image Recognition, ICML 2020, "
    "arXiv 2003.08685"
)
# The release prints accuracies only: no published AP has a rule.
SCORE = ScoreSpec(kind="logit", threshold=0.0, published_ap="ap")
SIZE_POLICY = (
    f"Takes {SIDE}x{SIDE} only, the release's size. Policy for sets of mixed sizes, ours: a centre "
    "crop, because a resize would overwrite the up-sampling trace; smaller pictures get black "
    "margins, which show in the spectrum."
)

SHARED_DEVIATIONS: tuple[Deviation, ...] = (
    Deviation(
        what="input of mixed-size test sets",
        paper="one size a data set (128 or 1024)",
        code="as the paper; nothing for other sizes",
        here="centre crop of 128, recorded; no resize",
    ),
    Deviation(
        what="epsilon under the logarithm",
        paper="not mentioned",
        code="1e-12 in the training data, 1e-13 in the inference script (float32)",
        here="1e-12, float64",
    ),
    Deviation(
        what="statistics of the coefficients",
        paper="of the training set",
        code="prepare_dataset.py: of the log-DCT; compute_mean_var.py: of the DCT without the "
        "logarithm, which the inference script then subtracts from logarithms",
        here="of the log-DCT; a coefficient that never varies is centred only (no division by 0)",
    ),
    Deviation(
        what="the option --abs",
        paper="-",
        code="divides by the running maximum; its slice index is a float, so it never ran",
        here="absent",
    ),
    Deviation(
        what="robustness data of the release",
        paper="JPEG of random quality 10 to 75, blur, noise, crops",
        code="the JPEG factor is passed as an option id, so that quality is always 95; the "
        "noise 'variance' is used as a deviation",
        here="not part of the detector",
    ),
    Deviation(
        what="crop of LSUN",
        paper="-",
        code="keeps a strip of width W - H and stretches it to 128: reals carry a resampling trace "
        "that the fakes lack",
        here="data are used as they are",
    ),
    Deviation(
        what="size of the splits",
        paper="100k / 10k / 25k in the README",
        code="prepare_dataset.py: 100k / 20k / 30k a class; classifier.py: 500k / 50k / 150k",
        here="any folder",
    ),
    Deviation(
        what="the paper's row",
        paper="one row without classifier, size or statistics; its ForenSynths numbers are copied "
        "from NPR's and FatFormer's READMEs",
        code="-",
        here="the row holds `frank`; `frank-net` and `fredect` are rows of their own",
    ),
)

FRANK = DetectorSpec(
    name="frank",
    title="Frank (log-DCT, linear)",
    family="frequency",
    build=FrankLinear,
    score=SCORE,
    geometry={"*": f"center_crop({SIDE})"},
    input_rule=only(SIDE),
    evaluation_size=(SIDE, SIDE),
    recipe=Recipe(
        epochs=1,
        batch_size=1,
        lr=0.0,
        train_preprocess=f"center_crop({SIDE})",
        val_preprocess=f"center_crop({SIDE})",
        source="the release's log2 objective (lambda 0.01) fitted to its optimum; the release runs "
        "Adam (see frank-net, variant ridge)",
    ),
    citation=CITATION,
    deviations=(
        Deviation(
            what="solver of the 'ridge regression'",
            paper="ridge regression",
            code="logistic regression with an L2 penalty by Adam, stopped early",
            here="the same objective, solved (C = 1 / (2 lambda n)); no early stop",
        ),
        *SHARED_DEVIATIONS,
    ),
    paper_name="Frank",
    notes=f"{SIZE_POLICY} Fitting holds 0.4 MB an image in memory: beyond about ten thousand "
    "images train frank-net with --variant ridge. No published weights here: the release's "
    "TensorFlow models lie on Google Drive and are not loaded.",
)

FRANK_NET = DetectorSpec(
    name="frank-net",
    title="Frank (log-DCT, network)",
    family="frequency",
    build=build_net,
    score=SCORE,
    geometry=FRANK.geometry,
    input_rule=only(SIDE),
    evaluation_size=(SIDE, SIDE),
    recipe=Recipe(
        epochs=50,
        batch_size=32,
        lr=1e-3,
        eps=1e-7,
        patience=5,
        monitor="val_loss",
        keep="best",
        train_preprocess=f"center_crop({SIDE})",
        val_preprocess=f"center_crop({SIDE})",
        source="defaults of GANDCTAnalysis 988c4c3, of Keras where it has none",
    ),
    variants=VARIANTS,
    training_only=frozenset({"l1", "l2"}),
    citation=CITATION,
    deviations=(
        Deviation(
            what="when the statistics are taken",
            paper="before training",
            code="one pass over the training set before training",
            here="during the first epoch, batch by batch; complete and exact after it",
        ),
        Deviation(
            what="order of the images",
            paper="-",
            code="shuffled once, when the data are written; every epoch has the same batches",
            here="a new order for every epoch",
        ),
        Deviation(
            what="validation loss",
            paper="-",
            code="Keras counts the kernel's penalties in it",
            here="cross-entropy alone; the default network has no penalties",
        ),
        *SHARED_DEVIATIONS,
    ),
    notes=f"{SIZE_POLICY} Variants are the release's networks: cnn, nn, resnet, linear (log), "
    "lasso (log1), ridge (log2), elastic (log3), ridge-pixels.",
)
