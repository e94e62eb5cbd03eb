"""Stages of the build: what each needs, its key in the cache, and running them in order.

A stage's output is one .npz file named by a key over the stage's name, its revision, its
parameters and the keys of what it needs; so a second run continues where the first one stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from .packages import fetch_all
from .stage import Arrays, Stage


def stage_key(name: str, stages: Mapping[str, Stage]) -> str:
    """Hex key of a stage and of everything under it."""
    stage = stages[name]
    parts = [stage.name, stage.revision, dict(stage.parameters)]
    below = [stage_key(need, stages) for need in stage.needs]
    text = json.dumps([parts, below], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def stage_file(name: str, stages: Mapping[str, Stage], cache: Path) -> Path:
    """Where a stage's arrays are kept."""
    return cache / "stages" / f"{name}-{stage_key(name, stages)}.npz"


def load_stage(name: str, stages: Mapping[str, Stage], cache: Path) -> Arrays:
    """A finished stage's arrays."""
    with np.load(stage_file(name, stages, cache), allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def run_stage(name: str, cache: Path) -> str:
    """Run one stage whose needs are finished, and keep its arrays; returns its name."""
    from .plan import STAGES

    make_deterministic()
    stage = STAGES[name]
    inputs = {need: load_stage(need, STAGES, cache) for need in stage.needs}
    arrays = stage.run(cache, inputs)
    target = stage_file(name, STAGES, cache)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial.npz")
    np.savez(partial, **arrays)  # type: ignore[arg-type]
    partial.replace(target)
    return name


def make_deterministic() -> None:
    """One thread, and only deterministic kernels."""
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


def run_all(cache: Path, jobs: int) -> None:
    """Run every unfinished stage, at most `jobs` at a time, each in its own process."""
    from .plan import STAGES

    fetch_all(cache)
    os.environ["OMP_NUM_THREADS"] = "1"
    done = {name for name in STAGES if stage_file(name, STAGES, cache).is_file()}
    waiting = [name for name in STAGES if name not in done]
    running: dict[Future[str], str] = {}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        while waiting or running:
            ready = [name for name in waiting if done.issuperset(STAGES[name].needs)]
            for name in ready[: jobs - len(running)]:
                waiting.remove(name)
                running[pool.submit(run_stage, name, cache)] = name
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                done.add(future.result())
                print(f"stage {running.pop(future)}: done", file=sys.stderr)
