"""What every detector must do, checked one property at a time; for our tests and outside authors.

``python -m harness dev contract NAME`` runs all checks on a registered detector with untrained,
seeded weights. A check raises DetectorError with what was found; it returns nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from harness.api import (
    Detector,
    DetectorSpec,
    FileDetector,
    FileHeader,
    Fittable,
    HasEmbedding,
    HasModule,
    HasState,
    HeaderDetector,
    HeaderFittable,
    Trainable,
)
from harness.data.preprocess import parse
from harness.engine.seeding import seeded
from harness.errors import DetectorError

Check = Callable[[DetectorSpec], None]

HEADERS = (
    FileHeader(format="PNG", width=64, height=64, mode="RGB"),
    FileHeader(
        format="JPEG", width=500, height=333, mode="RGB", jpeg_quality=75, subsampling="4:2:0"
    ),
    FileHeader(format="WEBP", width=1, height=9, mode="P", frames=3, has_exif=True),
)

# Scores of the same picture may differ by this much between batches: kernels sum in other orders.
TOLERANCE = 1e-4


def built(spec: DetectorSpec, variant: str = "", seed: int = 0) -> Any:
    """A detector with seeded untrained weights, in evaluation mode; "" = its first variant."""
    with seeded(seed):
        detector = spec.build(**spec.variants.get(variant, next(iter(spec.variants.values()), {})))
    if isinstance(detector, HasModule):
        detector.module.eval()
    return detector


def size_of(spec: DetectorSpec) -> int:
    """A side that the detector takes, small enough to be quick."""
    sides: tuple[int, ...] = (*range(64, 512), *range(63, 0, -1))
    for side in sides:
        if not spec.input_rule.problem(side, side):
            return side
    raise DetectorError(f"{spec.name}: takes no square below 512, so it is not checked")


def pictures(count: int, height: int, width: int) -> Tensor:
    """(count, 3, height, width) seeded uniform noise in [0, 1], as 8-bit images have it."""
    draw = np.random.default_rng(0).integers(0, 256, (count, 3, height, width))
    return torch.from_numpy(draw).float() / 255


@torch.inference_mode()
def scored(detector: Any, images: Tensor) -> Tensor:
    """Scores of images, or of fixed headers for a detector that sees no pixel."""
    if isinstance(detector, Detector):
        scores: Tensor = detector.score(images)
        return scores
    if isinstance(detector, FileDetector):
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / f"{number}.png" for number in range(len(images))]
            for file, image in zip(files, images, strict=True):
                pixels = (image * 255).round().to(torch.uint8).movedim(0, -1).contiguous()
                Image.fromarray(pixels.numpy()).save(file)
            return torch.from_numpy(detector.score_files(files))
    return torch.from_numpy(detector.score_headers(list(HEADERS)))


def check_capabilities(spec: DetectorSpec) -> None:
    """It scores images, headers or files, and one of them only; trained ones have a state."""
    detector = built(spec)
    ways = (Detector, HeaderDetector, FileDetector)
    if sum(isinstance(detector, way) for way in ways) != 1:
        raise DetectorError(
            f"{spec.name}: must have one of score(), score_headers() and score_files()"
        )
    if (spec.weights or spec.recipe) and not isinstance(detector, HasState):
        raise DetectorError(f"{spec.name}: has weights or a recipe, but no state_dict()")


def check_spec(spec: DetectorSpec) -> None:
    """Geometry has a default and parses; weights and variants fit together."""
    if "*" not in spec.geometry:
        raise DetectorError(f"{spec.name}: geometry has no '*' entry")
    for suite, text in spec.geometry.items():
        if parse(text).is_random:
            raise DetectorError(f"{spec.name}: geometry of {suite} is random: {text}")
    for weights in spec.weights:
        if weights.variant and weights.variant not in spec.variants:
            raise DetectorError(f"{spec.name}: {weights.name} names variant {weights.variant!r}")
    names = [weights.name for weights in (*spec.weights, *spec.pretrained)]
    if len(set(names)) < len(names):
        raise DetectorError(f"{spec.name}: two of its files have one name: {', '.join(names)}")
    starts = [weights.name for weights in spec.pretrained]
    start = spec.recipe.start if spec.recipe else ""
    if (start or (spec.recipe and spec.needs_pretrained)) and start not in starts:
        raise DetectorError(f"{spec.name}: its recipe starts from {start!r}, it has {starts}")
    if not spec.title or not spec.citation:
        raise DetectorError(f"{spec.name}: needs a title and a citation")


def check_shape_and_finiteness(spec: DetectorSpec) -> None:
    """(N,) finite scores for N images, 0 and 1 valued ones included."""
    detector, side = built(spec), size_of(spec)
    images = torch.cat([pictures(2, side, side), torch.zeros(1, 3, side, side)])
    images[0] = 1.0
    scores = scored(detector, images)
    if scores.shape != (3,) or not scores.isfinite().all():
        raise DetectorError(f"{spec.name}: 3 images gave {tuple(scores.shape)}: {scores.tolist()}")


def check_batch_and_order(spec: DetectorSpec) -> None:
    """An image's score does not depend on what else is in the batch, or where."""
    detector, side = built(spec), size_of(spec)
    if isinstance(detector, HeaderDetector):
        together = detector.score_headers(list(HEADERS))
        alone = [detector.score_headers([header])[0] for header in HEADERS]
        backwards = detector.score_headers(list(reversed(HEADERS)))[::-1]
    else:
        images = pictures(3, side, side)
        together = scored(detector, images).double().numpy()
        alone = [scored(detector, image[None]).item() for image in images]
        backwards = scored(detector, images.flip(0)).double().numpy()[::-1]
    for other in (alone, backwards):
        if not np.allclose(together, other, rtol=TOLERANCE, atol=TOLERANCE):
            raise DetectorError(f"{spec.name}: scores depend on the batch: {together} {other}")


def check_determinism(spec: DetectorSpec) -> None:
    """Twice the same, bit for bit, whatever the global random state is, which it leaves alone."""
    detector, side = built(spec), size_of(spec)
    images = pictures(2, side, side)
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = scored(detector, images)
    if not torch.equal(torch.random.get_rng_state(), before):
        raise DetectorError(f"{spec.name}: draws from the global random generator")
    torch.manual_seed(2)
    if not torch.equal(scored(detector, images), first):
        raise DetectorError(f"{spec.name}: gives other scores the second time")


def check_input_is_kept(spec: DetectorSpec) -> None:
    """Scoring does not write into the caller's tensor."""
    detector, side = built(spec), size_of(spec)
    images = pictures(2, side, side)
    kept = images.clone()
    scored(detector, images)
    if not torch.equal(images, kept):
        raise DetectorError(f"{spec.name}: changes the images it is given")


def check_sizes(spec: DetectorSpec) -> None:
    """It takes its stated smallest size, a rectangle, and every size its rule accepts."""
    detector = built(spec)
    if isinstance(detector, HeaderDetector):
        return
    height, width = spec.input_rule.smallest
    step = spec.input_rule.multiple_of
    side = size_of(spec)
    sizes = [(height, width), (side, side + 3 * step), (side + 5, side + 8), (side + 1, side + 1)]
    if problem := spec.input_rule.problem(height, width):
        raise DetectorError(f"{spec.name}: refuses its own smallest size: {problem}")
    for height, width in sizes:
        if not spec.input_rule.problem(height, width):
            scores = scored(detector, pictures(1, height, width))
            if scores.shape != (1,) or not scores.isfinite().all():
                raise DetectorError(f"{spec.name}: {height}x{width} gave {scores}")


def check_smallest_is_smallest(spec: DetectorSpec) -> None:
    """One step below the stated smallest square the rule refuses."""
    height, width = spec.input_rule.smallest
    step = spec.input_rule.multiple_of
    smaller = height - step, width - step
    if min(smaller) > 0 and not spec.input_rule.problem(*smaller):
        raise DetectorError(f"{spec.name}: {smaller[0]}x{smaller[1]} is accepted too")


def check_gray_picture(spec: DetectorSpec) -> None:
    """An image with three equal channels is scored like any other."""
    detector, side = built(spec), size_of(spec)
    gray = pictures(1, side, side)[:, :1].expand(-1, 3, -1, -1)
    scores = scored(detector, gray)
    if not scores.isfinite().all():
        raise DetectorError(f"{spec.name}: a gray picture gave {scores.tolist()}")


def check_state_round_trip(spec: DetectorSpec) -> None:
    """Its state loads into a fresh detector and gives the same scores; a part of it is refused."""
    detector = built(spec)
    if not isinstance(detector, HasState):
        return
    other, side = built(spec, seed=1), size_of(spec)
    state = {name: value.clone() for name, value in detector.state_dict().items()}
    other.load_state_dict(state)
    images = pictures(2, side, side)
    if not torch.equal(scored(detector, images), scored(other, images)):
        raise DetectorError(f"{spec.name}: scores change when the state is loaded elsewhere")
    state.pop(next(iter(state)))
    try:
        other.load_state_dict(state)
    except RuntimeError:
        return
    raise DetectorError(f"{spec.name}: a state that lacks an entry is accepted")


def check_embedding(spec: DetectorSpec) -> None:
    """Where it offers an embedding: (N, D), finite."""
    detector, side = built(spec), size_of(spec)
    if not isinstance(detector, HasEmbedding):
        return
    with torch.inference_mode():
        vectors = detector.embed(pictures(2, side, side))
    if vectors.ndim != 2 or len(vectors) != 2 or not vectors.isfinite().all():
        raise DetectorError(f"{spec.name}: embedding of 2 images is {tuple(vectors.shape)}")


def check_training_follows_the_seed(spec: DetectorSpec) -> None:
    """One seed, one loss and one fit, dropout included, whatever ran before in the process."""
    if spec.recipe is None:
        return
    found = []
    for before in (1, 2):
        with seeded(before):  # what ran before
            found.append(_trained(spec))
    first, second = found
    if not all(torch.equal(value, second[name]) for name, value in first.items()):
        raise DetectorError(f"{spec.name}: the same seed trains it differently the second time")


def _trained(spec: DetectorSpec) -> dict[str, Tensor]:
    """What one step of training gives: a loss and its gradients, or a fitted state."""
    detector, side, seed = built(spec), size_of(spec), 7
    labels = np.arange(8) % 2
    with seeded(seed):
        if isinstance(detector, Trainable):
            detector.module.train()
            generator = torch.Generator().manual_seed(seed)
            loss = detector.loss(pictures(2, side, side), torch.tensor([0.0, 1.0]), generator)
            loss.backward()  # type: ignore[no-untyped-call]
            named = detector.module.named_parameters()
            return {"loss": loss.detach(), **{n: p.grad for n, p in named if p.grad is not None}}
        if isinstance(detector, Fittable):
            detector.fit(detector.features(pictures(8, side, side)), labels, seed)
        elif isinstance(detector, HeaderFittable):
            detector.fit_headers(list(HEADERS), labels[: len(HEADERS)], seed)
    return {name: value.clone() for name, value in detector.state_dict().items()}


def check_variants(spec: DetectorSpec) -> None:
    """Variants that are said to differ in training only score alike with the same weights."""
    options = {name for variant in spec.variants.values() for name in variant}
    if unknown := sorted(spec.training_only - options):
        raise DetectorError(f"{spec.name}: training_only names no option of a variant: {unknown}")
    first: dict[str, tuple[str, Tensor]] = {}
    for variant in spec.variants if spec.training_only else ():
        side = size_of(spec)
        scores = scored(built(spec, variant), pictures(2, side, side))
        kind = repr(sorted(spec.scoring_options(variant).items()))
        name, expected = first.setdefault(kind, (variant, scores))
        if not torch.equal(scores, expected):
            raise DetectorError(
                f"{spec.name}: variants {name} and {variant} score differently, though they differ "
                f"in {', '.join(sorted(spec.training_only))} only"
            )


CHECKS: tuple[Check, ...] = (
    check_spec,
    check_capabilities,
    check_shape_and_finiteness,
    check_batch_and_order,
    check_determinism,
    check_input_is_kept,
    check_sizes,
    check_smallest_is_smallest,
    check_gray_picture,
    check_state_round_trip,
    check_embedding,
    check_training_follows_the_seed,
    check_variants,
)
