"""The vectors that detectors make of a suite's images, kept on disk, and their picture in a plane.

A vector is what a detector's last linear layer sees (LFM: the pooled values). It is made by the
plain network and not by the accelerated form that scores; the two agree to rounding.
"""

from __future__ import annotations

import io
import zipfile
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import Tensor
from tqdm import tqdm

from harness.api import FAKE, HasEmbedding, HasModule
from harness.checkpoints.resolve import load_into
from harness.data import decode
from harness.data.decode import DECODE_VERSION
from harness.data.loader import ordered_map
from harness.data.manifest import UNREADABLE, load_manifest
from harness.data.preprocess import parse, refuse_size, to_tensor
from harness.data.sample import Sample
from harness.data.suite import Selection
from harness.engine.scorer import NOT_FINITE_HINT, Job, not_finite
from harness.errors import BadImageError, DetectorError, SchemaError, UsageError
from harness.evaluate.plan import Settings, take
from harness.metrics.separation import standardised
from harness.registry.suites import find_root
from harness.results.predictions import prediction_path
from harness.results.records import PredictionKey
from harness.results.store import write_atomic

Vectors = np.ndarray[Any, np.dtype[np.float32]]
Known = dict[str, Vectors]
"""Content hash of an image -> its vector (D,)."""

COMPONENTS = 50
"""Principal components that t-SNE starts from, as its authors do (JMLR 2008, section 4.2)."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One content of a suite, wherever else it lies.

    Args:
        sample: the image.
        subset: the first that holds it.
        generator: what made it; "" for a real.
        photograph: what images that are not independent share (the photograph that they were made
            from, the video); its content hash where the suite does not tell.
    """

    sample: Sample
    subset: str
    generator: str
    photograph: str


def pictures(selection: Selection, settings: Settings) -> list[Picture]:
    """The distinct images of the selected subsets; reals that several share are there once.

    Controls are left out: they are treated photographs, of neither class.

    Raises:
        DataError: data is absent.
        UsageError: no subset of the selection has fakes.
    """
    suite = selection.suite
    root = find_root(suite, settings.data_root)
    found: dict[tuple[str, int], Picture] = {}
    for subset in selection.subsets:
        if not subset.in_mean:
            continue
        manifest = load_manifest(suite, subset, root, settings.out)
        for sample in take(manifest, settings.limit):
            digest = sample.sha256
            content = decode.display_name(sample) if digest == UNREADABLE else digest
            generator = (sample.generator or subset.name) if sample.label == FAKE else ""
            picture = Picture(
                sample=sample,
                subset=subset.name,
                generator=generator,
                photograph=sample.unit or content,
            )
            found.setdefault((content, sample.label), picture)
    if not found:
        raise UsageError(
            f"{suite.title}: no fakes are selected; reals or controls alone show no classes",
            hint="select subsets with fakes, or a folder with 0_real and 1_fake",
        )
    return list(found.values())


class Embedder:
    """A detector with its weights that turns images into vectors.

    Args:
        job: the detector.
        device: where its network runs.

    Raises:
        UsageError: it offers no vector.
        WeightsError: its checkpoint does not fit.
    """

    def __init__(self, job: Job, device: torch.device) -> None:
        self.spec = job.spec
        self.device = device
        detector = self.spec.build(**self.spec.variants.get(job.loaded.variant, {}))
        if not isinstance(detector, HasEmbedding):
            raise UsageError(
                f"{self.spec.name} offers no embedding: no vector before a last linear layer",
                hint="leave it out of --method, or give its class "
                "embed(images) -> (N, D), see HasEmbedding in harness.api",
            )
        load_into(detector, job.loaded, self.spec)
        if isinstance(detector, HasModule):
            detector.module.to(device).eval()
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
                hint=f"python -m harness contract {self.spec.name}",
            )
        if not np.isfinite(vectors).all():
            raise DetectorError(
                f"{self.spec.name}: {not_finite(vectors, name)}", hint=NOT_FINITE_HINT
            )
        return np.asarray(vectors, dtype=np.float32)


class EmbeddingStore:
    """Vectors of one detector on one suite, below ``<out>/embeddings``: a file a subset.

    Rows are found by the image's content, so that neither the selection nor a limit makes them
    anew; what else decides a vector is the key in the file's name, as for predictions.

    Args:
        job: the detector.
        suite: the suite's name.
        settings: output folder, device, and whether kept vectors are used (``overwrite``).

    Attributes:
        computed: images that were embedded, not read from disk.
    """

    def __init__(self, job: Job, suite: str, settings: Settings) -> None:
        self.job = job
        self.suite = suite
        self.settings = settings
        self.computed = 0

    def vectors(self, wanted: Sequence[Picture]) -> Known:
        """Content hash -> vector of the wanted images, computed where it is not on disk.

        Unreadable images are absent (``skip_bad``). What is done is kept subset by subset.

        Raises:
            BadImageError: an unreadable image, unless ``skip_bad``.
            UsageError: the detector offers no vector.
        """
        subsets: dict[str, list[Picture]] = defaultdict(list)
        for picture in wanted:
            subsets[picture.subset].append(picture)
        fresh_only = self.settings.overwrite == "always"
        kept = {name: {} if fresh_only else read(self.path(name)) for name in subsets}
        known = {digest: v for part in kept.values() for digest, v in part.items()}
        embedder = Embedder(self.job, self.settings.compute.device)
        for name, members in subsets.items():
            samples = {p.sample.sha256: p.sample for p in members if p.sample.sha256 not in known}
            made = dict(self._embed(embedder, samples.values())) if samples else {}
            if made:
                write(self.path(name), {**kept[name], **made})
            known |= made
            self.computed += len(made)
        return known

    def path(self, subset: str) -> Path:
        """Where a subset's vectors are kept."""
        key = PredictionKey(
            suite=self.suite,
            subset=subset,
            manifest="",  # rows name their content themselves
            detector=self.job.spec.name,
            version=self.job.spec.version,
            variant=self.job.loaded.variant,
            weights=self.job.weights.sha256,
            preprocess=str(parse(self.job.preprocess_for(self.suite))),
            decode=DECODE_VERSION,
        )
        place = prediction_path(Path(), key).relative_to("predictions")
        return (self.settings.out / "embeddings" / place).with_suffix(".npz")

    def _embed(
        self, embedder: Embedder, samples: Collection[Sample]
    ) -> Iterator[tuple[str, Vectors]]:
        """Content hash and vector of each readable sample; equal sizes in a row share a pass."""
        compute = self.settings.compute
        preprocess = parse(self.job.preprocess_for(self.suite))

        def load(sample: Sample) -> Tensor:
            data = decode.read_bytes(sample)
            name = decode.display_name(sample)
            return to_tensor(preprocess(decode.decode(data, name), name))

        batch: list[tuple[Sample, Tensor]] = []
        ahead = 2 * compute.batch_size + compute.workers
        loaded = ordered_map(load, samples, workers=compute.workers, ahead=ahead)
        for outcome in tqdm(loaded, self.job.label, len(samples), unit="image", leave=False):
            if isinstance(outcome.error, BadImageError) and self.settings.skip_bad:
                continue
            if isinstance(outcome.error, BadImageError):
                outcome.error.hint = "`--on-bad-image skip` leaves unreadable images out"
            image = outcome.get()
            if batch and (len(batch) == compute.batch_size or batch[0][1].shape != image.shape):
                yield from _flush(embedder, batch)
                batch = []
            batch.append((outcome.item, image))
        if batch:
            yield from _flush(embedder, batch)


def _flush(
    embedder: Embedder, batch: Sequence[tuple[Sample, Tensor]]
) -> Iterator[tuple[str, Vectors]]:
    images = torch.stack([image for _, image in batch])
    vectors = embedder(images, decode.display_name(batch[0][0]))
    return zip([sample.sha256 for sample, _ in batch], vectors, strict=True)


def write(path: Path, vectors: Mapping[str, Vectors]) -> None:
    """Writes a subset's vectors atomically, sorted by content hash."""
    names = sorted(vectors)
    buffer = io.BytesIO()
    np.savez(buffer, sha256=np.array(names), vectors=np.stack([vectors[name] for name in names]))
    write_atomic(path, buffer.getvalue())


def read(path: Path) -> Known:
    """What :func:`write` wrote; nothing where there is no file.

    Raises:
        SchemaError: damaged.
    """
    if not path.exists():
        return {}
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            return dict(zip(file["sha256"].tolist(), file["vectors"], strict=True))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise SchemaError(
            f"{path}: not a file of embeddings ({type(error).__name__}: {error})",
            hint=f"delete {path} and run again",
        ) from error


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

    if not 0 < perplexity < len(features):
        raise UsageError(
            f"perplexity {perplexity:g} needs more than {perplexity:g} images, got {len(features)}",
            hint="a smaller --perplexity, or a larger --limit",
        )
    scaled = standardised(features.astype(np.float64))
    with threadpool_limits(1):
        if min(scaled.shape) > COMPONENTS:
            scaled = PCA(COMPONENTS, svd_solver="full").fit_transform(scaled)
        model = TSNE(perplexity=perplexity, init="pca", random_state=seed)
        return np.asarray(model.fit_transform(scaled), dtype=np.float32)
