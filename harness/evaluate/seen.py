"""Zero-shot or not: what of a test subset was in a detector's training data."""

from __future__ import annotations

from collections.abc import Sequence

from harness.api import FAKE
from harness.checkpoints.resolve import LoadedWeights
from harness.checkpoints.run_weights import trained_on
from harness.data.sample import Sample
from harness.data.suite import Subset


def seen_in_training(loaded: LoadedWeights, samples: Sequence[Sample], subset: Subset) -> str:
    """``generator gan_tconv``, ``12 images``, both, or "" where nothing was seen.

    Only of weights that this harness trained is it known which images they saw; of others the
    answer is "" too, and their ``trained_on`` says in words what they know. Away from their run
    folder trained weights still know the generators, and no longer the images.

    Args:
        loaded: the weights.
        samples: the subset's images.
        subset: says what made the fakes that do not say it themselves.
    """
    known = loaded.ref.recipe.get("generators")
    if not isinstance(known, list):
        return ""
    fakes = [sample for sample in samples if sample.label == FAKE]
    made_by = {sample.generator for sample in fakes}
    if "" in made_by:
        made_by |= set(subset.generators)
    parts = [f"generator {name}" for name in sorted(made_by & set(known) - {""})]
    images = trained_on(loaded.run) if loaded.run else frozenset()
    count = sum(sample.sha256 in images for sample in samples)
    return ", ".join([*parts, f"{count} images"] if count else parts)
