"""Aligned: reals and their reconstructions as training pairs (ICLR 2025, arXiv 2410.11835).

Idea: where the fakes of a training set differ from its reals in content, format or size, a
detector learns that. So the fakes are the reals themselves, once through the autoencoder of a
latent diffusion model. Stay-Positive (ICML 2025, arXiv 2502.07778) then trains the last layer
anew with weights of one sign, so that only traces of fakes count.
Provenance: written from a description of the released code (github AniSundar18/AlignedForensics,
e4cc011); no line of it is copied. The network is Corvi et al.'s.
"""

from __future__ import annotations

from baselines._backbones import IMAGENET_RESNET50
from baselines._fullres import MEMORY, FullResolutionDetector
from harness.api import DetectorSpec, Deviation, Recipe, ScoreSpec, Weights

PAIRS = "photographs and their reconstructions by a latent diffusion model's VAE"
SHADERS = "the shader variant of the authors' pairs"


def _published(name: str, drive: str, trained_on: str, note: str) -> Weights:
    """A file on Google Drive; nobody states its name, size or sha256."""
    return Weights(
        name=name,
        filename=f"aligned_{name}.pth",
        url=f"https://drive.google.com/file/d/{drive}/view",
        sha256="",
        licence="none stated for weights (the code is Apache-2.0)",
        trained_on=trained_on,
        note=f"{note}. Download it by hand and name it so",
    )


DEVIATIONS = (
    Deviation(
        what="augmentation",
        paper="Corvi et al.'s",
        code="random resized crop 256, colour jitter, gray, cut-out, noise, blur, JPEG, quarter "
        "turns, flip, crop 96",
        here="blur, JPEG, flip and crop 96; the others cannot be said in a recipe",
    ),
    Deviation(
        what="training pairs",
        paper="each real beside its reconstruction",
        code="pairs by file name, 128 pictures a batch; Ours-Sync augments both alike, by seeding "
        "all generators with the second of the clock, so that what is loaded within one "
        "second shares its augmentation",
        here="the reconstructions are a data set to be given; batches are drawn picture by picture",
    ),
    Deviation(
        what="validation while training",
        paper="not described",
        code="under the training augmentation (one object of options for both)",
        here="the middle 96, plain",
    ),
    Deviation(
        what="end of training",
        paper="not described",
        code="10 epochs without 0.001 more balanced accuracy divide the rate by 10; below 1e-6 "
        "training ends",
        here="the same by accuracy; the number of epochs is a bound of ours",
    ),
    Deviation(
        what="Stay-Positive's training",
        paper="the last layer alone is trained, its weights kept from falling below 0",
        code="the frozen network is put into training mode at every step, so its batch norms go on "
        "changing: the files differ from their parents in more than the last layer; the bias "
        "may be negative",
        here="its two files score; it is not trained here",
    ),
    Deviation(
        what="threshold",
        paper="-",
        code="the sigmoid is fake from 0.5 on; a score that is no number is dropped silently",
        here="above 0.5, which is logit 0; such a score is an error",
    ),
    Deviation(
        what="evaluation",
        paper="-",
        code="at most 200,000 rows; training_code/evaluate.py does not run as released",
        here="all pictures",
    ),
)

SPEC = DetectorSpec(
    name="aligned",
    title="AlignedForensics",
    family="image classifier",
    build=FullResolutionDetector,
    score=ScoreSpec(kind="logit", threshold=0.0, published_ap="ap"),
    geometry={"*": "native"},
    weights=(
        _published("ours", "1ACoiwC8BM0NpyhAwbKsyAk1Da-TAoRRy", PAIRS, "the paper's `Ours`"),
        _published(
            "ours-sync", "1rn0hgAjTXeY7QTpCnx9lMGNPfrwvO1lO", PAIRS, "the paper's `Ours-Sync`"
        ),
        _published(
            "ours-shaders",
            "1pqM8z10--509vS98yNTebI8OzvDqLPgI",
            SHADERS,
            "`Ours (shaders)`",
        ),
        _published(
            "ours-sync-shaders",
            "1wDZe_P5xiAbELZLV-PmYK5Hkh_BG6Eah",
            SHADERS,
            "`Ours-Sync (shaders)`",
        ),
        _published(
            "corvi-plus",
            "16Rp0G0Onbdmpm3xT2ZxTV6P13youB-kp",
            "as corvi2023; the last layer by Stay-Positive",
            "Stay-Positive's `Corvi+`",
        ),
        _published(
            "rajan-plus",
            "14k9qakoIh36Z6U-fVHHjhvs667aywzfz",
            f"{PAIRS}; the last layer by Stay-Positive",
            "Stay-Positive's `Rajan+`",
        ),
    ),
    recipe=Recipe(
        epochs=1000,
        batch_size=128,
        lr=1e-4,
        schedule="plateau",
        lr_gamma=0.1,
        min_lr=1e-6,
        patience=10,
        monitor="val_acc",
        min_gain=0.001,
        keep="best",
        start=IMAGENET_RESNET50.name,
        train_preprocess="gaussian_blur(0.5,0,3)|jpeg(0.5,30,100)|hflip(0.5)"
        "|pad_for_crop(96)|random_crop(96)",
        val_preprocess="center_crop(96)",
        source="training_code of github AniSundar18/AlignedForensics e4cc011",
    ),
    pretrained=(IMAGENET_RESNET50,),
    citation="Rajan et al., Aligned Datasets Improve Detection of Latent Diffusion-Generated "
    "Images, ICLR 2025, arXiv 2410.11835; Rajan, Lee, Stay-Positive, ICML 2025, arXiv 2502.07778",
    deviations=DEVIATIONS,
    notes=f"Takes every size, from 1x1. {MEMORY}",
)
