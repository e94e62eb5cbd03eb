"""F3-Net: frequency-aware clues (ECCV 2020, arXiv 2007.09355).

Idea: show the network frequencies beside colours. FAD rebuilds the picture from four learnable DCT
bands, and Xception sees all four; LFS gives a second Xception the log energies of six bands in
sliding windows. There is no official code: two re-implementations are what the field means.
Provenance: written from a description of github yyk-wew/F3Net 01942ca and of SCLBD/DeepfakeBench
8a4a7bf; no line of either is copied.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from baselines import _frequency, _xception
from baselines._chance import dropout
from baselines._frequency import (
    FAD_BANDS,
    LFS_BANDS,
    WINDOW,
    band_masks,
    fad_bands,
    lfs_bands,
)
from baselines._spectrum import dct_matrix
from harness.api import (
    DetectorSpec,
    Deviation,
    InputRule,
    Recipe,
    ScoreSpec,
    TorchDetector,
    Weights,
    one_logit,
)

SIDE = 299
SMALLEST = 32


class F3Network(nn.Module):
    """One Xception on the four bands, and a second one on local statistics where asked for.

    Args:
        side: of the learned masks: the side of the pictures it is trained for.
        local: with the LFS branch.
        outputs: 1 logit, or 2 classes (0 real, 1 fake).
        rate: of the dropout before the classifier.
    """

    def __init__(self, side: int, *, local: bool, outputs: int, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.fad = nn.Parameter(0.1 * torch.randn(FAD_BANDS, side, side))
        self.fad_trunk = _xception.trunk(3 * FAD_BANDS)
        self.lfs: nn.Parameter | None = None
        if local:
            self.lfs = nn.Parameter(0.1 * torch.randn(LFS_BANDS, WINDOW, WINDOW))
            self.lfs_trunk = _xception.trunk(LFS_BANDS, stride=1)
        self.fc = nn.Linear(_xception.WIDTH * (2 if local else 1), outputs)

    def trunks(self) -> tuple[nn.Module, ...]:
        """The Xception of every branch."""
        return (self.fad_trunk,) if self.lfs is None else (self.fad_trunk, self.lfs_trunk)

    def features(self, x: Tensor) -> Tensor:
        """(N, 3, n, n) in [-1, 1] -> (N, 2048), or (N, 4096) with both branches."""
        found: Tensor = self.fad_trunk(_frequency.decompose(x, self.fad))
        if self.lfs is None:
            return found
        statistics = _frequency.local_statistics(x, self.lfs)
        return torch.cat([found, self.lfs_trunk(statistics)], 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, n, n) in [-1, 1] -> (N, outputs) logits."""
        logits: Tensor = self.fc(self.features(x))
        return logits


class F3NetDetector(TorchDetector):
    """F3-Net's network; loads its own names and those of the two re-implementations."""

    network: F3Network

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Binary cross-entropy with logits, with dropout on the features.

        Of two classes the difference of logits is taken, which is cross-entropy.
        """
        features = self.network.features(self.module.normalise(images))
        logits = self.network.fc(dropout(features, self.network.rate, generator))
        return nn.functional.binary_cross_entropy_with_logits(one_logit(logits), labels)

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, n, n) in [0, 1] -> (N, 2048), or (N, 4096) with both branches."""
        return self.network.features(self.module.normalise(images))

    def start_from(self, state: Mapping[str, Tensor]) -> None:
        """Gives Xception's entries to every branch; masks and classifier stay as they are."""
        for trunk in self.network.trunks():
            _xception.start(trunk, state)

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Loads strictly; a published layout is told by its frozen DCT matrix."""
        if "FAD_head._DCT_all" in state:
            state = from_published(state)
        super().load_state_dict(state)


RENAMED = {
    "FAD_xcep.": "fad_trunk.",
    "LFS_xcep.": "lfs_trunk.",
    "backbone.last_linear.1.": "fc.",
    "backbone.": "fad_trunk.",
}
# Never used by the released forward passes: Xception's own classifier, and DeepfakeBench's
# convolution for another of its detectors.
UNUSED = ("FAD_xcep.fc.", "LFS_xcep.fc.", "backbone.fc.", "backbone.adjust_channel.")


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The published names -> ours.

    Constants that are stored as frozen parameters (DCT matrices, 0/1 bands) must be the ones that
    are computed here. What no forward pass uses is dropped.

    Raises:
        RuntimeError: a constant is another one, or a learned mask is missing.
    """
    side = len(state["FAD_head._DCT_all"])
    rest = dict(state)
    own = {"fad": _masks(rest, "FAD_head", side, fad_bands(side))}
    if "LFS_head._DCT_patch" in rest:
        own["lfs"] = _masks(rest, "LFS_head", WINDOW, lfs_bands())
    for name, value in rest.items():
        if not name.startswith(UNUSED):
            prefix = next((old for old in RENAMED if name.startswith(old)), "")
            own[RENAMED.get(prefix, "") + name.removeprefix(prefix)] = value
    return own


def _masks(
    rest: dict[str, Tensor], head: str, side: int, bands: tuple[tuple[float, float], ...]
) -> Tensor:
    """Takes a branch's entries out of ``rest``, checks its constants and stacks what is learned."""
    base = band_masks(side, bands)
    basis = dct_matrix(side, base)
    what = "all" if head == "FAD_head" else "patch"
    constants = {f"_DCT_{what}": basis, f"_DCT_{what}_T": basis.T}
    for number, mask in enumerate(base):
        constants[f"filters.{number}.base"] = mask
        if head == "LFS_head":
            constants[f"filters.{number}.ft_num"] = mask.sum()
    for name, expected in constants.items():
        found = rest.pop(f"{head}.{name}", None)
        if found is None or found.numel() != expected.numel():
            raise RuntimeError(f"{head}.{name} is missing or of another size")
        if not torch.allclose(found.float().reshape(expected.shape), expected, atol=1e-5):
            raise RuntimeError(f"{head}.{name} is not the constant that it should be")
    names = [f"{head}.filters.{number}.learnable" for number in range(len(base))]
    missing = [name for name in names if name not in rest]
    if missing:
        raise RuntimeError(f"{missing[0]} is missing")
    return torch.stack([rest.pop(name) for name in names])


def build(local: bool = False) -> F3NetDetector:
    """A detector with untrained weights; ``local`` adds the LFS branch."""
    network = F3Network(SIDE, local=local, outputs=1, rate=0.2)
    return F3NetDetector(network, mean=0.5, std=0.5)


def build_deepfakebench() -> F3NetDetector:
    """DeepfakeBench's form, untrained: FAD at 256 pixels, two classes."""
    network = F3Network(256, local=False, outputs=2, rate=0.5)
    return F3NetDetector(network, mean=0.5, std=0.5)


def size_problem(height: int, width: int) -> str:
    """The DCT matrices are square; a picture has to be."""
    if height != width:
        return "the picture must be square after preprocessing"
    return "" if height >= SMALLEST else f"the smallest size is {SMALLEST}x{SMALLEST}"


INPUT_RULE = InputRule(smallest=(SMALLEST, SMALLEST), check=size_problem)
CITATION = (
    "Qian et al., Thinking in Frequency: Face Forgery Detection by Mining Frequency-aware Clues, "
    "ECCV 2020, arXiv 2007.09355"
)

DEVIATIONS = (
    Deviation(
        what="official code",
        paper="none was published",
        code="yyk-wew/F3Net and DeepfakeBench, both re-implementations by others",
        here="`fad` (default) and `both` as yyk-wew, f3net-dfb as DeepfakeBench",
    ),
    Deviation(
        what="MixBlock (cross-attention between the streams)",
        paper="part of the method",
        code="a class that nothing uses; its mode would crash; DeepfakeBench has FAD only",
        here="absent: every public F3-Net is a part of the paper's",
    ),
    Deviation(
        what="order in LFS",
        paper="filter, sum, then logarithm",
        code="logarithm first (the paper's order is commented out)",
        here="as the code",
    ),
    Deviation(
        what="scale of the gray picture in LFS",
        paper="-",
        code="(gray + 1) x 122.5, where 127.5 would give 0 to 255",
        here="as the code",
    ),
    Deviation(
        what="input size",
        paper="299x299",
        code="masks are as large as the picture; another size cannot run",
        here="published geometry by default; at another square the bands follow by the same rule "
        "and the learned masks are resampled bilinearly, so that small pictures can be trained on",
    ),
    Deviation(
        what="preprocessing",
        paper="face crops",
        code="resize to 299x299 with Pillow's default filter: bicubic since Pillow 7, nearest "
        "before; DeepfakeBench: OpenCV cubic to 256, which is two functions: builds with and "
        "without Intel's IPP differ by one level in 4 % of the values",
        here="bicubic (Pillow) on whole pictures; f3net-dfb with Pillow's antialiased filter in "
        "place of OpenCV's",
    ),
    Deviation(
        what="training",
        paper="SGD, rate 0.002, cosine, batch 128 (from summaries)",
        code="yyk-wew: Adam 2e-4, batch 12 (6 + 6), 5 epochs, ImageNet start; DeepfakeBench: "
        "cross-entropy, Adam 2e-4, weight decay 5e-4, batch 32, 10 epochs",
        here="as the codes: f3net as yyk-wew, f3net-dfb as DeepfakeBench",
    ),
    Deviation(
        what="first weights",
        paper="ImageNet",
        code="Cadene's Xception (xception-b5690688.pth) in every branch; the first convolution of "
        "FAD is four copies, each / 4",
        here="timm's copy of Cadene's later file (xception-43020ad28.pth); the first convolution "
        "of LFS, of which the description at hand says nothing, is two copies, each / 2",
    ),
    Deviation(
        what="checkpoints",
        paper="-",
        code="yyk-wew published none (its script never saves one), and its LFS result is 84.7 AUC "
        "where the paper has 88.9",
        here="DeepfakeBench's file, trained on faces, loads as f3net-dfb",
    ),
    Deviation(
        what="the row in the LFM paper",
        paper="variant, input size and cropping are not stated",
        code="the numbers equal FatFormer's table digit for digit: a retraining on 4-class ProGAN",
        here="`fad` at 299, an assumption",
    ),
    Deviation(
        what="condition of LFS",
        paper="-",
        code="logarithms of coefficients near zero: float32 and float64 differ by 6e-4 on a "
        "logit of 2.6",
        here="the same; `both` is compared at 1e-3",
    ),
)

SPEC = DetectorSpec(
    name="f3net",
    title="F3Net",
    family="frequency",
    build=build,
    score=ScoreSpec(kind="logit", threshold=0.0),
    geometry={"*": "resize_bicubic(299,299)", "mini": "native"},
    input_rule=INPUT_RULE,
    evaluation_size=(SIDE, SIDE),
    recipe=Recipe(
        epochs=5,
        batch_size=12,
        lr=2e-4,
        balanced=True,
        start="imagenet",
        train_preprocess="resize_bicubic(299,299)|hflip(0.5)",
        val_preprocess="resize_bicubic(299,299)",
        source="train script of github yyk-wew/F3Net 01942ca, which keeps no file; here the last "
        "epoch's weights",
    ),
    pretrained=(_xception.IMAGENET,),
    variants={"fad": {"local": False}, "both": {"local": True}},
    citation=CITATION,
    deviations=DEVIATIONS,
    paper_name="F3Net",
    notes="Square pictures only, 32x32 or larger; published at 299x299.",
)

DEEPFAKEBENCH = DetectorSpec(
    name="f3net-dfb",
    title="F3Net (DeepfakeBench)",
    family="frequency",
    build=build_deepfakebench,
    score=ScoreSpec(kind="logit", threshold=0.0),
    geometry={"*": "resize_bicubic(256,256)", "mini": "native"},
    input_rule=INPUT_RULE,
    weights=(
        Weights(
            name="released",
            filename="f3net_best.pth",
            url="https://github.com/SCLBD/DeepfakeBench/releases/download/v1.0.1/f3net_best.pth",
            sha256="",
            licence="CC BY-NC 4.0: non-commercial",
            trained_on="faces: FaceForensics++ c23",
            note="the file's name is from memory; trained on cropped faces",
        ),
    ),
    recipe=Recipe(
        epochs=10,
        batch_size=32,
        lr=2e-4,
        weight_decay=5e-4,
        start="imagenet",
        train_preprocess="resize_bicubic(256,256)",
        val_preprocess="resize_bicubic(256,256)",
        source="github SCLBD/DeepfakeBench 8a4a7bf, of which the description at hand names loss, "
        "optimiser, batch, epochs and start; its augmentation and its choice of an epoch are not "
        "known here, so there is none and the last epoch's weights are kept",
    ),
    pretrained=(_xception.IMAGENET,),
    citation=f"{CITATION}; DeepfakeBench, NeurIPS 2023, arXiv 2307.01426",
    deviations=DEVIATIONS,
    notes="DeepfakeBench's network: two classes, masks for 256x256.",
)
