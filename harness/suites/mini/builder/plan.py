"""The build's stages, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import controls, cyclegan, ffdnet
from .ddpm import DIFFUSIONS, DiffusionRecipe, sample_tiles, train_diffusion
from .decoder_training import decode_tiles, load_decoder, train_decoder
from .decoders import DECODERS, DecoderRecipe
from .latents import fit_encoder, load_encoder
from .ncnn_models import NCNN_MODELS, NcnnModel, enlarge_tiles
from .packages import digest
from .photos import PHOTOS_CSV
from .stage import Arrays, Stage
from .tiles import (
    CAPS,
    COUNTS,
    MAX_LOSSLESS_BYTES,
    MAX_TRAINING_TILES,
    build_tiles,
    build_training,
)

TEST_TILES = 100
"""Test tiles that every generator makes an image of: the first ones of the chosen order."""


LATENT_DECODER = next(recipe for recipe in DECODERS if recipe.name == "latent_decoder")
"""The decoder behind the latent DDPM; it is no generator of its own."""


def _tiles(cache: Path, inputs: Mapping[str, Arrays]) -> Arrays:
    return build_tiles(cache)


def _training(cache: Path, inputs: Mapping[str, Arrays]) -> Arrays:
    return build_training(cache)


def _encoder(cache: Path, inputs: Mapping[str, Arrays]) -> Arrays:
    return fit_encoder(inputs["training"]["training"])


def _train(recipe: DecoderRecipe, cache: Path, inputs: Mapping[str, Arrays]) -> Arrays:
    return train_decoder(recipe, load_encoder(inputs["encoder"]), inputs["training"]["training"])


def _decode(recipe: DecoderRecipe, cache: Path, inputs: Mapping[str, Arrays]) -> Arrays:
    encoder = load_encoder(inputs["encoder"])
    decoder = load_decoder(recipe, inputs[f"train-{recipe.name}"])
    splits = ("train", "val", "test") if recipe.name == "gan_tconv" else ("test",)
    out: Arrays = {}
    for split in splits:
        out[split] = decode_tiles(recipe, decoder, encoder, wanted(inputs["tiles"], split))
    return out


def _train_ddpm(recipe: DiffusionRecipe, cache: Path, inputs: Mapping[str, Arrays]) -> Arrays:
    return train_diffusion(recipe, load_encoder(inputs["encoder"]), inputs["training"]["training"])


def _sample_ddpm(recipe: DiffusionRecipe, cache: Path, inputs: Mapping[str, Arrays]) -> Arrays:
    decoder = None
    if recipe.latent:
        decoder = load_decoder(LATENT_DECODER, inputs[f"train-{LATENT_DECODER.name}"])
    tiles = wanted(inputs["tiles"], "test")
    state = inputs[f"train-{recipe.name}"]
    encoder = load_encoder(inputs["encoder"])
    return {"test": sample_tiles(recipe, state, encoder, decoder, tiles)}


def _enlarge(model: NcnnModel, cache: Path, inputs: Mapping[str, Arrays]) -> Arrays:
    return {"test": enlarge_tiles(model, wanted(inputs["tiles"], "test"), cache)}


def _with_weights(
    function: Callable[[NDArray[np.generic], Path], NDArray[np.uint8]],
    cache: Path,
    inputs: Mapping[str, Arrays],
) -> Arrays:
    return {"test": function(wanted(inputs["tiles"], "test"), cache)}


def _simple_control(
    function: Callable[[NDArray[np.generic]], NDArray[np.uint8]],
    cache: Path,
    inputs: Mapping[str, Arrays],
) -> Arrays:
    return {"test": np.stack([function(tile) for tile in wanted(inputs["tiles"], "test")])}


def wanted(tiles: Arrays, split: str) -> NDArray[np.generic]:
    """The tiles of a split that generators work on."""
    return tiles[split][:TEST_TILES] if split == "test" else tiles[split]


def _decoder_stages() -> list[Stage]:
    stages = []
    for recipe in DECODERS:
        stages.append(
            Stage(
                name=f"train-{recipe.name}",
                needs=("training", "encoder"),
                run=partial(_train, recipe),
                parameters=asdict(recipe),
            )
        )
        if recipe is not LATENT_DECODER:
            stages.append(
                Stage(
                    name=recipe.name,
                    needs=("tiles", "encoder", f"train-{recipe.name}"),
                    run=partial(_decode, recipe),
                    parameters={"test": TEST_TILES},
                )
            )
    return stages


def _weight_stages() -> list[Stage]:
    made = {
        "cyclegan_vintage": cyclegan.translate_tiles,
        "ffd_diff50": ffdnet.sample_tiles,
        "ctl_demosaicnet": controls.demosaic_tiles,
    }
    runs: dict[str, Callable[[Path, Mapping[str, Arrays]], Arrays]] = {}
    for model in NCNN_MODELS:
        runs[model.name] = partial(_enlarge, model)
    for name, function in made.items():
        runs[name] = partial(_with_weights, function)
    for name, control in controls.SIMPLE_CONTROLS.items():
        runs[name] = partial(_simple_control, control)
    count = {"test": TEST_TILES}
    return [
        Stage(name=name, needs=("tiles",), run=run, parameters=count) for name, run in runs.items()
    ]


def _diffusion_stages() -> list[Stage]:
    stages = []
    for recipe in DIFFUSIONS:
        train = f"train-{recipe.name}"
        needs = ("training", "encoder")
        parameters = asdict(recipe)
        stages.append(
            Stage(name=train, needs=needs, run=partial(_train_ddpm, recipe), parameters=parameters)
        )
        decoder = (f"train-{LATENT_DECODER.name}",) if recipe.latent else ()
        stages.append(
            Stage(
                name=recipe.name,
                needs=("tiles", "encoder", train, *decoder),
                run=partial(_sample_ddpm, recipe),
                parameters={"test": TEST_TILES},
            )
        )
    return stages


def _all_stages() -> dict[str, Stage]:
    photos = digest(PHOTOS_CSV)
    chosen = {"photos": photos, "caps": CAPS, "counts": COUNTS, "bytes": MAX_LOSSLESS_BYTES}
    trained = {"photos": photos, "most": MAX_TRAINING_TILES}
    decoders = _decoder_stages()
    stages = [
        Stage(name="tiles", needs=(), run=_tiles, parameters=chosen),
        Stage(name="training", needs=(), run=_training, parameters=trained),
        Stage(name="encoder", needs=("training",), run=_encoder),
        *decoders[:4],
        *_weight_stages(),
        *decoders[4:],
        *_diffusion_stages(),
    ]
    return {stage.name: stage for stage in stages}


STAGES: dict[str, Stage] = _all_stages()
"""Every stage, in the order in which they are started."""
