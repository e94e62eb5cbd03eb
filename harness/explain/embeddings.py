"""The vectors that detectors make of a suite's images, and their places in a plane by t-SNE.

A vector is what a detector's last linear layer sees (LFM: the pooled values). It is made by the
plain network and not by the accelerated form that scores; the two agree to rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import Tensor
from tqdm import tqdm

from harness.api import HasEmbedding
from harness.data import decode
from harness.data.loader import ordered_map
from harness.data.manifest import load_manifest
from harness.data.preprocess import parse, refuse_size, to_tensor
from harness.data.sample import UNREADABLE, Sample
from harness.data.suite import Selection, Subset, Suite
from harness.engine.scorer import NOT_FINITE_HINT, Job, not_finite, ready
from harness.errors import BadImageError, DetectorError, UsageError
from harness.evaluation.plan import Settings, take
from harness.explain.maps import CPU
from harness.registry.suites import find_root

Vectors = np.ndarray[Any, np.dtype[np.float32]]

COMPONENTS = 50
"""Principal components that t-SNE starts from, as its authors do (JMLR 2008, section 4.2)."""


def distinct(
    selections: Iterable[Selection], data_root: Path | None, out: Path, limit: int
) -> Iterator[tuple[Suite, Subset, Sample]]:
    """The samples of the selected subsets; a real that several share comes once, with the first.

    Args:
        selections: suites, or parts of them.
        data_root: folder of the official suites.
        out: output folder, which keeps the hashes of files.
        limit: samples of each class and subset, 0 = all.

    Raises:
        DataError: data is absent.
    """
    seen: set[tuple[str, int]] = set()
    for suite, subset in ((s.suite, subset) for s in selections for subset in s.subsets):
        manifest = load_manifest(suite, subset, find_root(suite, data_root), out)
        for sample in take(manifest, limit):
            content = (content_of(sample), sample.label)
            if content not in seen:
                seen.add(content)
                yield suite, subset, sample


def content_of(sample: Sample) -> str:
    """A name that samples of the same content share."""
    return decode.display_name(sample) if sample.sha256 == UNREADABLE else sample.sha256


class Embedder:
    """A detector with its weights that turns images into vectors.

    Raises:
        UsageError: it offers no vector.
        WeightsError: its checkpoint does not fit.
    """

    def __init__(self, job: Job, device: torch.device = CPU) -> None:
        self.spec = job.spec
        self.device = device
        detector = ready(job.spec, job.loaded, device)
        if not isinstance(detector, HasEmbedding):
            raise UsageError(
                f"{self.spec.name} offers no embedding: no vector before a last linear layer",
                hint="leave it out of --method, or give its class "
                "embed(images) -> (N, D), see HasEmbedding in harness.api",
            )
        self._detector: HasEmbedding = detector

    def __call__(self, images: Tensor, name: str) -> Vectors:
        """(N, 3, H, W) float32 in [0, 1] -> (N, D) float32; ``name`` is an image for messages.

        Raises:
            InputSizeError: a size that the detector cannot take.
            DetectorError: another shape came out, or a value that is not finite.
        """
        refuse_size(self.spec, images.shape[2:], name)
        with torch.inference_mode():
            vectors = self._detector.embed(images.to(self.device)).float().cpu().numpy()
        if vectors.ndim != 2 or len(vectors) != len(images):
            raise DetectorError(
                f"{self.spec.name}: embed() of {len(images)} images gave {vectors.shape}, "
                f"expected ({len(images)}, D)",
                hint=f"python -m harness dev contract {self.spec.name}",
            )
        if not np.isfinite(vectors).all():
            raise DetectorError(
                f"{self.spec.name}: {not_finite(vectors, name)}", hint=NOT_FINITE_HINT
            )
        return np.asarray(vectors, dtype=np.float32)


def embedded(
    job: Job, suite: str, samples: Sequence[Sample], settings: Settings
) -> tuple[list[int], Vectors]:
    """The places of the samples that can be read, and their vectors (N, D).

    Args:
        job: the detector.
        suite: whose geometry applies.
        samples: distinct ones.
        settings: device, workers, batch size, and whether bad images are left out.

    Raises:
        BadImageError: an unreadable image, unless ``skip_bad``.
        UsageError: the detector offers no vector.
    """
    embedder = Embedder(job, settings.compute.device)
    preprocess = parse(job.preprocess_for(suite))
    compute = settings.compute

    def load(place: int) -> Tensor:
        data, name = decode.read_bytes(samples[place]), decode.display_name(samples[place])
        return to_tensor(preprocess(decode.decode(data, name), name))

    def readable() -> Iterator[tuple[int, Tensor]]:
        ahead = 2 * compute.batch_size + compute.workers
        loaded = ordered_map(load, range(len(samples)), workers=compute.workers, ahead=ahead)
        for outcome in tqdm(loaded, job.label, len(samples), unit="image", leave=False):
            if isinstance(outcome.error, BadImageError):
                if settings.skip_bad:
                    continue
                outcome.error.hint = "`--on-bad-image skip` leaves unreadable images out"
            yield outcome.item, outcome.get()

    places: list[int] = []
    parts: list[Vectors] = []
    for batch in _batches(readable(), compute.batch_size):
        name = decode.display_name(samples[batch[0][0]])
        places += [place for place, _ in batch]
        parts.append(embedder(torch.stack([image for _, image in batch]), name))
    if not parts:
        raise UsageError(f"{job.label}: none of the {len(samples)} images can be read")
    return places, np.concatenate(parts)


def _batches(images: Iterable[tuple[int, Tensor]], size: int) -> Iterator[list[tuple[int, Tensor]]]:
    """Images of equal size in a row share a batch."""
    batch: list[tuple[int, Tensor]] = []
    for item in images:
        if batch and (len(batch) == size or batch[0][1].shape != item[1].shape):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


def plane(features: Vectors, *, perplexity: float, seed: int) -> Vectors:
    """t-SNE of standardised features: (N, D) -> (N, 2).

    Columns are standardised, then reduced to :data:`COMPONENTS` principal components where there
    are more; Barnes-Hut t-SNE starts from the first two. On one thread, because sums in another
    order give another picture. Source: van der Maaten and Hinton, JMLR 2008; scikit-learn.

    Args:
        features: (N, D).
        perplexity: how many neighbours count, below N.
        seed: of t-SNE.

    Raises:
        UsageError: fewer images than the perplexity needs.
    """
    from sklearn.decomposition import PCA  # here: it takes a while to import
    from sklearn.manifold import TSNE
    from sklearn.preprocessing import StandardScaler

    if not 0 < perplexity < len(features):
        raise UsageError(
            f"perplexity {perplexity:g} needs more than {perplexity:g} images, got {len(features)}",
            hint="a smaller --perplexity, or a larger --limit",
        )
    scaled = StandardScaler().fit_transform(features.astype(np.float64))
    with threadpool_limits(1):
        if min(scaled.shape) > COMPONENTS:
            scaled = PCA(COMPONENTS, svd_solver="full").fit_transform(scaled)
        model = TSNE(perplexity=perplexity, init="pca", random_state=seed)
        return np.asarray(model.fit_transform(scaled), dtype=np.float32)
