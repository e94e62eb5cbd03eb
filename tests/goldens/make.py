"""Makes the committed goldens from the whole ones: ``python -m tests.goldens.make SHARED/methods``.

Run by hand, from the checkout's root. It stops where a rule does not give what the whole golden
holds, so what is committed stands for all of it.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from tests.goldens import pictures
from tests.goldens.rules import Values
from tests.goldens.stored import EXTRAS, FOLDER, INPUTS, SAMPLE, Input, digest, sampled

CNN = ("logits", "logits_crop128x192", "pooled", "stat/*")
CHIRP = ("logits_chirp", "feat_chirp", "meta")
EXTRA = ("logits_odd*_chirp", "logits_tiny*_chirp")
REAL = ("real_*", "photos_u8_sha256")
LADEDA = ("map_chirp", "residual_corner")
MORE = (*CHIRP, "logits_odd_chirp", "logits_tiny_chirp")
NETS = ("cnn5", "cnn1", "resnet1", "nn1", "ridge1", "ridge5", "ridge1_pixel")

KEEP: dict[str, tuple[str, ...]] = {
    "lfm": (*CNN, "salience_map_corner", "real_logits_synth", "real_logits_photos"),
    "npr": (*CNN, "residual_corner"),
    "cnndetection": (*CNN, "logits_nocrop256"),
    "safe": (*CNN, "logits_f64", "dwt_hh_image0", "dwt_resized_corner"),
    "freqnet": (*CNN, "hfri_corner"),
    "lgrad_d": ("logits", "logits_batch4", "grad_sub8", "grad_u8"),
    "lgrad": CNN,
    "ojha": CHIRP,
    "c2p_clip": CHIRP,
    "fatformer": (*CHIRP, "patch_mean_chirp", "ctx_chirp", "text_chirp", "tokenized_prompts"),
    "patchfor": ("logits_chirp", "meta", "score_*_softmax_chirp"),
    "f3net": CHIRP,
    "f3net_both": ("logits_chirp", "meta"),
    "f3net_dfb": (*CHIRP, "prob_chirp"),
    "sbi": CHIRP,
    "rine_1class": (*CHIRP, "cls_chirp", "logits_tencrop_chirp"),
    "rine_2class": (*CHIRP, "logits_published_head_chirp", "published_importance", REAL[0]),
    "rine_4class": CHIRP,
    "corvi2023": (*CHIRP, "logits_*_chirp", "full_logits_chirp", "map_chirp"),
    "ladeda": (*CHIRP, *EXTRA, *LADEDA),
    "ladeda_two_thirds": (*CHIRP, *EXTRA, *LADEDA),
    "tiny_ladeda": (*CHIRP, *EXTRA, *LADEDA, *REAL, "logits_*_chirp"),
    "tiny_ladeda_right_diag": (*CHIRP, *EXTRA, *LADEDA, *REAL, "logits_*_chirp"),
    "clipdet": (*CHIRP, *EXTRA),
    "patchcraft": (
        *("logits_*chirp", "feat_chirp", "meta", "crop_top_left", "x", "*_u8", "*_logits_chirp"),
    ),
    "aide": (
        *("logits_exact_chirp", "meta", "patch_index", "patch_grade", "x_exact_sub8"),
        *("tiny_u8", "tiny_x_sub8", "images_u8"),
    ),
    "ferretnet_s": (*CHIRP, *EXTRA, *REAL, "residual_corner"),
    "ferretnet_b": (*CHIRP, *EXTRA, "residual_corner"),
    "frank": (
        *("rgb_*dct_lo16", "rgb_*dct_hi16", "rgb_logdct_stats", "rgb_norm_lo16", "rgb_norm_hi16"),
        *("gray_dct_lo16", "gray_logdct_lo16", "gray_logdct_full_img2", "welford_*_lo16"),
        *("compute_mean_var_mean_lo16", "net_input_lo8", "ridge1_hash_loss_ce_reg"),
        *(f"{net}_{part}" for net in NETS for part in ("params", "*_logit", "*_feat_first32")),
    ),
    "fredect": ("input_lo8", "nonsquare_input_lo8", "params", "sin_logit", "hash_logit"),
    "durall": ("psd_*", "celeba80_*", "ff300_*", "bincount_*", "ricker_density", "toy_*"),
    "gandetection": (
        *("grid_table", "randcrop_pos_seed21", "norm_patch0_corner", "state_dict_names"),
        *("hash_A_img?_logits", "hash_C_img?_logits", "hash_net_scores", "hash_image_score"),
    ),
    "drct_convb": MORE,
    "drct_clip": MORE,
    "bfree": (*CHIRP, "small_*_chirp", "tall_*_chirp"),
    "d3": (*MORE, "permutation*", "*_seed418_chirp", "attention_chirp", "x_shuffled_*"),
    "rigid": (*CHIRP, "feat_noisy_chirp", "noise_sub16", "noise_stats"),
    "aeroblade": ("logits_chirp", "meta", "layer_distances_chirp", "reconstruction_u8"),
    "cospy": (*CHIRP, "branch_logits_chirp"),
    "effort": MORE,
    "dda": (*MORE, "logits_mixed_chirp", "pos_rows_chirp"),
    "effort_univfd": MORE,
    "bias_baselines": ("pil_luma_table_by_quality", "estimated_quality"),
}
# Of large arrays a part is kept.
CUTS: dict[str, dict[str, Any]] = {
    "safe": {"dwt_hh_image0": np.s_[:, ::7, ::7]},
    "patchcraft": {"x": SAMPLE, "images_u8": np.s_[:0]},
    "aide": {
        "images_u8": np.s_[:0],
        "x_exact_sub8": np.s_[..., ::4, ::4],
        "tiny_x_sub8": np.s_[..., ::4, ::4],
    },
    "frank": {"gray_logdct_full_img2": np.s_[::16, ::16]},
    "lgrad_d": {"grad_u8": np.s_[:1], "grad_sub8": np.s_[:1]},
    "lgrad": {"logits_crop128x192": np.s_[:1], "pooled": np.s_[:1]},
    "aeroblade": {"reconstruction_u8": np.s_[:, ::5, ::5]},
    "durall": {"toy_images_first2": np.s_[:0]},
}
OPENCV = ("f3net_dfb", "sbi", "effort")  # their pictures follow from the rule but for some levels


def kept(name: str, whole: Any) -> dict[str, Values]:
    """The fields to keep, cut."""
    found = {}
    for field in whole.files:
        if any(fnmatchcase(field, pattern) for pattern in KEEP[name]):
            found[field] = whole[field][CUTS.get(name, {}).get(field, ...)]
    for pattern in KEEP[name]:
        assert any(fnmatchcase(field, pattern) for field in found), f"{name}: no {pattern}"
    return found


def inputs(name: str, whole: Any) -> dict[str, Values]:
    """Digests and samples of the pictures and tensors; checks that the rules give them."""
    made: Input = INPUTS[name]
    tensors = [*whole["input" if "input" in whole.files else "x"]]
    sources = [*whole["images_u8"]]
    if made.odd:
        tensors, sources = [*tensors, whole["odd_input"]], [*sources, whole["odd_u8"]]
    for entry in made.extra:
        source = whole[f"{entry}_u8"]
        sources.append(source[0] if source.ndim == 4 else source)
        there = f"x_{entry}" in whole.files  # else the picture as it is, normalised
        tensors.append(whole[f"x_{entry}"][0] if there else made.tensor(sources[-1]))
    same(f"{name}: pictures", made.sources(), sources)
    for part, picture in EXTRAS.items() if "logits_odd*_chirp" in KEEP[name] else ():
        same(f"{name}: {part}", [picture()], [whole[f"{part}_u8"]])
    pixels = [levels(tensor, made) for tensor in tensors]
    found = {}
    if name in OPENCV:
        found["patch"] = np.stack(pixels).astype(np.int8) - np.stack(made.pixels()).astype(np.int8)
        assert np.abs(found["patch"]).max() == 1
    same(f"{name}: prepared pictures", made.pixels(found.get("patch")), pixels)
    for tensor, pixel in zip(tensors, pixels, strict=True):
        np.testing.assert_allclose(made.tensor(pixel), tensor, rtol=0, atol=1e-6)
    return found | {
        "pictures_sha256": np.array(digest(sources)),
        "pixels_sha256": np.array(digest(pixels)),
        "input_sample": sampled(tensors),
    }


def levels(tensor: Values, made: Input) -> Values:
    """The 8-bit levels that a normalised tensor was made of."""
    mean, std = (np.array(part).reshape(3, 1, 1) for part in made.normal)
    exact = (tensor.astype(np.float64) * std + mean) * 255
    assert np.abs(exact - np.rint(exact)).max() < 1e-3
    return np.rint(exact).astype(np.uint8).transpose(1, 2, 0)


def same(what: str, got: list[Values], want: list[Values]) -> None:
    for one, two in zip(got, want, strict=True):
        assert np.array_equal(one, two), f"{what}: the rule gives others"


def frequency_inputs(whole: dict[str, Any]) -> Iterator[tuple[str, str, Values]]:
    """Checks the frequency pictures; yields (golden, field, array) of what no rule gives."""
    same("images", [*pictures.frequency_pictures()], [*whole["images"]["images"]])
    same("frank: gray", [pictures.pillow_gray()], [whole["frank"]["gray_L"]])
    same("durall: gray", [pictures.opencv_gray()], [whole["durall"]["gray"]])
    same("fredect", [pictures.nonsquare_picture()], [whole["fredect"]["nonsquare_400x300"]])
    reader = whole["durall"]["gray_cv2_imread0_png"]
    off = np.flatnonzero(reader != pictures.png_reader_gray())
    yield "durall", "png_reader_gray_places", off.astype(np.int32)
    yield "durall", "png_reader_gray_levels", reader.ravel()[off]


def committed(methods: Path) -> tuple[dict[str, dict[str, Values]], dict[str, Any]]:
    """The arrays of every golden of the authors, and their key lists; checks what rules give."""
    whole = {n: np.load(methods / f"goldens/{n}.npz") for n in (*KEEP, "images")}
    found = {name: kept(name, whole[name]) for name in KEEP}
    for name in INPUTS:
        found[name] |= inputs(name, whole[name])
    for name, field, values in frequency_inputs(whole):
        found[name][field] = values
    for name in ("aide", "patchcraft"):
        same(name, [*pictures.chirp_pictures()], [*whole[name]["images_u8"]])
    same("lgrad", [whole["lgrad"]["images_u8"]], [whole["lgrad_d"]["grad_u8"]])
    paths = {name: methods / f"cards/{name}.keys.json" for name in KEEP}
    texts = {n: path.read_text(encoding="utf-8") for n, path in paths.items() if path.exists()}
    return found, {name: json.loads(text) for name, text in texts.items()}


def main(methods: Path) -> None:
    found, listed = committed(methods)
    for name, arrays in found.items():
        np.savez_compressed(FOLDER / f"{name}.npz", **arrays)
    text = json.dumps(listed, separators=(",", ":")).encode()
    (FOLDER / "keys.json.gz").write_bytes(gzip.compress(text, mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
