"""LFM: Local Focus Mechanism (BMVC 2025, arXiv 2508.17029).

Idea: what betrays a generated image is local (up-sampling leaves 2x2 traces), and global average
pooling washes it out; keep the 16 largest responses of every salience map instead.
Provenance: written from the paper's Algorithm 1 and a description of the released network
(github lmlpy/LFM, 8676325); no line of that repository is copied.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.api import (
    Behaviour,
    DetectorSpec,
    Deviation,
    ExactMap,
    InputRule,
    PooledDetector,
    Recipe,
    ScoreSpec,
    Weights,
)
from lfm.network import LFMNetwork, LFMOptions, final_side

# Resize everywhere but on GANGen-Detection, as test.py of the release (no_resize=True there).
GEOMETRY = {"*": "resize(256,256)", "gangen": "native", "mini": "native"}

RECIPE = Recipe(
    epochs=50,
    batch_size=32,
    lr=1e-4,
    lr_gamma=0.9,
    lr_step=10,
    train_preprocess="resize(256,256)|random_crop(224)|hflip(0.5)",
    val_preprocess="resize(256,256)|center_crop(224)",
    source="README and options of github lmlpy/LFM 8676325; ForenSynths ProGAN, 4 classes",
)

VARIANTS: dict[str, dict[str, object]] = {
    "algorithm1": {
        "order": "ascending",
        "p_min": 0.1,
        "p_max": 0.3,
        "rescale": False,
        "rks": True,
        "auxiliary_weight": 0.02,
    },
    "released": {
        "order": "descending",
        "p_min": 0.1,
        "p_max": 0.1,
        "rescale": True,
        "rks": False,
        "auxiliary_weight": 0.0,
    },
}


class LFMDetector(PooledDetector):
    """LFM's network with its training loss."""

    network: LFMNetwork

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """BCE of the main logit plus ``auxiliary_weight`` x BCE of the random-K logit."""
        logits, auxiliary = self.network.training_logits(self.module.normalise(images), generator)
        loss = nn.functional.binary_cross_entropy_with_logits(logits.flatten(), labels)
        if auxiliary is None:
            return loss
        extra = nn.functional.binary_cross_entropy_with_logits(auxiliary.flatten(), labels)
        return loss + self.network.options.auxiliary_weight * extra

    def exact_map(self, images: Tensor) -> ExactMap:
        """(N, 3, H, W) in [0, 1] -> what every cell of the salience maps adds to the logit.

        Raises:
            ValueError: the pooling is ``attention``, whose weights depend on the cells.
        """
        if self.network.options.pooling == "attention":
            raise ValueError("attention pooling has no exact map: its weights depend on the cells")
        return super().exact_map(images)


def build(**options: object) -> LFMDetector:
    """A detector with untrained weights; options as of :class:`LFMOptions`."""
    return LFMDetector(LFMNetwork(LFMOptions(**options)))  # type: ignore[arg-type]


def size_problem(height: int, width: int) -> str:
    """LFM pools 16 values of every map: the maps must have that many cells."""
    cells = max(final_side(height), 0) * max(final_side(width), 0)
    return "" if cells >= 16 else f"its maps have {cells} cells here, top-K pooling needs 16"


DEVIATIONS = (
    Deviation(
        what="RBLD drop probability",
        paper="Algorithm 1: rises with ascending rank i of k from 0.1 to 0.3; the fraction in the "
        "formula cannot be read in the poster",
        code="both ends of the range are p_min: a constant 0.1; p_max is accepted and ignored",
        here="`algorithm1` reads p_min + (p_max - p_min)(i - 1)/(k - 1), linear from end to end, a "
        "reading of ours; `released` follows the code",
    ),
    Deviation(
        what="random-K draws",
        paper="Algorithm 1: K random positions of every map; with or without replacement is not "
        "said",
        code="without replacement, for every map anew",
        here="without replacement, the code's reading",
    ),
    Deviation(
        what="RBLD rescaling",
        paper="Algorithm 1: none",
        code="survivors are divided by 1 - mean(p) = 0.9",
        here="`algorithm1` does not rescale, `released` does",
    ),
    Deviation(
        what="order of the pooled values",
        paper="Algorithm 1: ascending",
        code="top-K values descending; RBLD sorts only to get ranks",
        here="by variant; the released checkpoint needs descending, which it is always given",
    ),
    Deviation(
        what="order in the random-K branch",
        paper="Algorithm 1: both branches ascending, one classifier",
        code="random-K ascending but top-K descending through one classifier: "
        "slot 0 is a maximum in one branch and a minimum in the other",
        here="`algorithm1`: both ascending; `released` has no random-K branch",
    ),
    Deviation(
        what="random-K sampling and its loss",
        paper="part of the method",
        code="off by default; the loss term (weight 0.02, a comment says 0.1) is in a method that "
        "nothing calls; the trainer steps on the main loss only",
        here="`algorithm1`: on, weight 0.02, configurable; `released`: off",
    ),
    Deviation(
        what="random-K in evaluation",
        paper="training only",
        code="when enabled, drawn in evaluation too: the auxiliary output is then random",
        here="never drawn in evaluation; the score is the main logit",
    ),
    Deviation(
        what="pooling runs twice",
        paper="once",
        code="the pooling module runs twice per forward, the second result serves its batch size: "
        "in training the first of two dropout draws counts",
        here="once; seed-exact training parity with the release is not claimed",
    ),
    Deviation(
        what="training code",
        paper="said to be released",
        code="no train.py in any of the 18 commits; how random-K entered the training is unknown",
        here="trained by `python -m harness train`, both behaviours by name",
    ),
    Deviation(
        what="checkpoint selection",
        paper="not described",
        code="the file's inner name is model_epoch_31_acc0.9552_ap0.9825, and 95.52/98.25 equals "
        "the published ForenSynths TEST means: the epoch seems picked on test set 1 (inference)",
        here="said in the weights' note; own training never looks at a test set",
    ),
    Deviation(
        what="batch-norm statistics of the checkpoint",
        paper="not described",
        code="num_batches_tracked is 7,454 where 31 epochs need about 139,000: train mode seems "
        "lost after the first epochs (inference)",
        here="own training keeps train mode; a faithful re-training may therefore not match",
    ),
    Deviation(
        what="cost",
        paper="1.61B FLOPs, 0.72M parameters",
        code="1.61B is thop's MACs at 256x256 with batch norm; 725,641 parameters, truncated "
        "where 0.73M would be rounded",
        here="fvcore and the thop rule side by side: python -m harness cost",
    ),
    Deviation(
        what="dead options",
        paper="-",
        code="--arch, --rz_interp, --blur_*, --jpg_*, --earlystop_epoch, --init_* have no effect; "
        "attention pooling and TopKPooling.backward are never called",
        here="absent; the attention pooling of our ablation is written anew",
    ),
)

BEHAVIOURS = (
    Behaviour(
        name="pooled values ascending",
        deviation="order of the pooled values",
        options={"order": "ascending"},
        seen="Algorithm 1 of the paper",
    ),
    Behaviour(
        name="pooled values descending",
        deviation="order of the pooled values",
        options={"order": "descending"},
        seen="github lmlpy/LFM 8676325",
    ),
    Behaviour(
        name="random-K drawn in evaluation",
        deviation="random-K in evaluation",
        absent="what is drawn is the auxiliary output, which no score is made of",
    ),
)

SPEC = DetectorSpec(
    name="lfm",
    title="LFM",
    family="local artefact",
    build=build,
    score=ScoreSpec(kind="logit", threshold=0.0),
    geometry=GEOMETRY,
    input_rule=InputRule(smallest=(48, 48), multiple_of=2, check=size_problem),
    weights=(
        Weights(
            name="released",
            filename="lfm_bs_model.pth",
            url="https://github.com/lmlpy/LFM/raw/8676325acef9789e8c107ceb7d8ed85fd46d6977"
            "/weights/bs_model.pth",
            sha256="903036979adb186c6baf48b6214092540161d7b0194d1b7bea5592a072b49317",
            size=2_922_485,
            licence="Apache-2.0 (repository; the data code under it derives from NPR and "
            "CNNDetection, CC BY-NC-SA 4.0)",
            trained_on="ForenSynths train: ProGAN and LSUN, classes car, cat, chair, horse",
            note="the epoch seems to have been picked on the ForenSynths test set",
            variant="released",
        ),
    ),
    recipe=RECIPE,
    variants=VARIANTS,
    training_only=frozenset({"p_min", "p_max", "rescale", "rks", "auxiliary_weight"}),
    citation="A Novel Local Focusing Mechanism for Deepfake Detection Generalization, BMVC 2025, "
    "arXiv 2508.17029",
    deviations=DEVIATIONS,
    behaviours=BEHAVIOURS,
    paper_name="LFM",
    notes="Both sides even; smallest square 48x48; rectangles such as 24x200 work. "
    "The 256x256 resize alone moves real photographs across the threshold.",
)
