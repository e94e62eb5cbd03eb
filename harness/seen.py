"""Zero-shot or not: what of a test subset was in a detector's training data."""

from __future__ import annotations

from collections.abc import Sequence

from harness.api import FAKE
from harness.data.sample import Sample
from harness.training.run_folder import trained_on
from harness.weights import LoadedWeights


def seen_in_training(loaded: LoadedWeights, samples: Sequence[Sample]) -> str:
    """``generator gan_tconv``, ``12 images``, both, or "" where nothing was seen.

    Only of weights that this harness trained is it known which images they saw; of others the
    answer is "" too, and their ``trained_on`` says in words what they know.

    Args:
        loaded: the weights.
        samples: the subset's images.
    """
    known = loaded.ref.recipe.get("generators")
    if not isinstance(known, list) or loaded.path is None:
        return ""
    made_by = {sample.generator for sample in samples if sample.label == FAKE}
    parts = [f"generator {name}" for name in sorted(made_by & set(known) - {""})]
    images = trained_on(loaded.path.parent)
    count = sum(sample.sha256 in images for sample in samples)
    return ", ".join([*parts, f"{count} images"] if count else parts)
