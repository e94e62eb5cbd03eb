"""Images that cannot be read, found before training where they are to be left out."""

from __future__ import annotations

import logging
from dataclasses import replace

import torch
from tqdm import tqdm

from harness.data.decode import decode, display_name, read_bytes
from harness.data.loader import ordered_map
from harness.data.sample import Manifest, Sample
from harness.errors import BadImageError, DataError
from harness.training.request import Machine, Training

log = logging.getLogger(__name__)


def readable(training: Training, machine: Machine) -> tuple[Training, dict[str, list[str]]]:
    """The training without unreadable images, where ``on_bad_image`` says so, and their ids.

    Every image is decoded once beforehand: batches, processes and a resumed training then agree on
    which images there are.

    Raises:
        DataError: no image of a class is left to train on.
    """
    skipped: dict[str, list[str]] = {"train": [], "val": []}
    if training.on_bad_image == "error":
        return training, skipped
    for name in skipped:
        manifest: Manifest = getattr(training, name)
        bad = _unreadable(manifest, machine)
        if not bad:
            continue
        skipped[name] = [sample.id for sample in manifest.samples if sample in bad]
        left = tuple(sample for sample in manifest.samples if sample not in bad)
        training = replace(training, **{name: Manifest(manifest.name, left)})  # type: ignore[arg-type]
        log.warning("%s: %d unreadable images are left out", manifest.name, len(bad))
    if not (training.train.n_real and training.train.n_fake):
        raise DataError(f"{training.train.name}: no readable image of one of the two classes")
    return training, skipped


def _unreadable(manifest: Manifest, machine: Machine) -> set[Sample]:
    ranks = machine.ranks
    found = torch.zeros(len(manifest.samples), device=machine.device)
    mine = range(ranks.rank, len(found), ranks.size)
    opened = ordered_map(
        lambda index: _open(manifest.samples[index]), mine, workers=machine.workers
    )
    hidden = machine.progress != "bar"
    for outcome in tqdm(opened, f"check {manifest.name}", len(mine), leave=False, disable=hidden):
        found[outcome.item] = isinstance(outcome.error, BadImageError)
    return {manifest.samples[index] for index in ranks.sum(found).nonzero().flatten().tolist()}


def _open(sample: Sample) -> None:
    decode(read_bytes(sample), display_name(sample))
