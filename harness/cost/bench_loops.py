"""The loops that ``bench`` compares; each lives in a process of its own and runs when told to.

``PlainLoop`` is what the field's repositories do: PIL in a torch DataLoader, torchvision
transforms, batches of 32, the eager network. ``OurLoop`` is the evaluation of ``harness run`` from
files to a prediction file. ``MachineProbe`` measures what the hardware can do at the same moment.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.api import DetectorSpec, HasModule, HasState, Normalised, TorchDetector
from harness.api.network import one_logit
from harness.api.torchvision import ensure_torchvision
from harness.checkpoints.resolve import LoadedWeights, resolve
from harness.data import decode
from harness.data.loader import ordered_map
from harness.data.manifest import hash_samples
from harness.data.preprocess import parse, to_tensor
from harness.data.sample import Manifest, Sample
from harness.data.source import FileSource
from harness.engine.onednn import FusedConv
from harness.engine.scorer import Compute, Scorer, ready
from harness.env import peak_memory
from harness.errors import UsageError, WeightsError
from harness.evaluation.images import Share, SubsetScoring
from harness.registry.detectors import detector
from harness.results.journal import open_journal
from harness.results.records import PredictionKey, WeightsRef

PLAIN_BATCH = 32
UNTRAINED = "untrained"

Split = dict[str, float]
"""Step -> milliseconds an image."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What every loop scores.

    Args:
        method: registered name of a detector with a network.
        token: its weights, as after ``--weights``; :data:`UNTRAINED` = fixed random weights.
        files: the images.
        preprocess: canonical preprocess text.
    """

    method: str
    token: str
    files: tuple[Path, ...]
    preprocess: str


@dataclass(frozen=True, kw_only=True)
class Lap:
    """One pass of a loop over the images.

    Args:
        seconds: wall time from the first file to the last score.
        cpu_seconds: of all threads and processes: hardly moved by what else the machine does.
        scores: one an image, in file order.
    """

    seconds: float
    cpu_seconds: float
    scores: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Start:
    """What it took until a loop could score.

    Args:
        seconds: to build the network, load its weights and rewrite it (export, compile, check).
        form: what scores; ``eager`` = the network as written.
        refused: why it is in no better form.
    """

    seconds: float
    form: str
    refused: tuple[str, ...] = ()


def load(method: str, token: str) -> tuple[DetectorSpec, LoadedWeights]:
    """A detector's spec and weights.

    Raises:
        UsageError: the detector has no network.
        WeightsError: the weights are not there.
    """
    spec = detector(method)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        fresh = spec.build()
    if not isinstance(fresh, HasModule):
        raise UsageError(f"bench compares networks, {method} has none", hint="--method lfm")
    if token != UNTRAINED:
        return spec, resolve(spec, token)
    if not isinstance(fresh, HasState):
        raise WeightsError(f"{method}: has no state to start untrained from")
    return spec, LoadedWeights(state=fresh.state_dict(), ref=WeightsRef(label=UNTRAINED))


class Loop(ABC):
    """A way from files to scores, ready to be run again and again."""

    start: Start

    @abstractmethod
    def scores(self) -> list[float]:
        """One pass over the images; a score each, in file order."""

    @abstractmethod
    def split(self) -> Split:
        """Milliseconds an image of each step."""

    def started(self) -> Start:
        """What it took until it could score."""
        return self.start

    def lap(self) -> Lap:
        """One pass, timed."""
        scores, seconds, cpu_seconds = _timed(self.scores)
        return Lap(seconds=seconds, cpu_seconds=cpu_seconds, scores=tuple(scores))

    def peak_mib(self) -> float | None:
        """Peak resident memory of this process so far; None where the system does not tell."""
        peak = peak_memory()
        return None if peak is None else peak / 2**20


class PlainLoop(Loop):
    """The loop in the style of the field, with torch's default number of threads.

    Args:
        work: what to score.
        loader_workers: processes of the DataLoader; its default is 0.
    """

    def __init__(self, work: Work, loader_workers: int) -> None:
        ensure_torchvision()
        from torchvision import transforms

        spec, loaded = load(work.method, work.token)
        built, seconds, _ = _timed(lambda: ready(spec, loaded))
        self.start = Start(seconds=seconds, form="eager")
        self._files = work.files
        self._workers = loader_workers
        self._score: Callable[[Tensor], Tensor] = built.score
        steps: list[Any] = [*_torchvision_steps(work.preprocess), transforms.ToTensor()]
        # Where nothing but the normalisation stands before the network, it is a transform.
        if type(built).score is TorchDetector.score and type(built.module) is Normalised:
            module = built.module
            steps.append(transforms.Normalize(module.mean.flatten(), module.std.flatten()))
            self._score = lambda images: one_logit(module.network(images))
        self._transform = transforms.Compose(steps)

    def split(self) -> Split:
        """How long the loop waits for the loader, and for the network."""
        waiting = forward = 0.0
        batches = iter(self._loader())
        while True:
            start = time.perf_counter()
            batch = next(batches, None)
            loaded = time.perf_counter()
            waiting += loaded - start
            if batch is None:
                break
            with torch.no_grad():
                self._score(batch)
            forward += time.perf_counter() - loaded
        count = len(self._files)
        return {"load": 1e3 * waiting / count, "forward": 1e3 * forward / count}

    def scores(self) -> list[float]:
        """One pass, batch by batch."""
        scores: list[float] = []
        with torch.no_grad():
            for batch in self._loader():
                scores += self._score(batch).flatten().tolist()
        return scores

    def _loader(self) -> Iterable[Tensor]:
        return torch.utils.data.DataLoader(
            _PlainImages(self._files, self._transform),
            batch_size=PLAIN_BATCH,
            num_workers=self._workers,
            # What a script gets on Linux; this process was spawned and would spawn its workers.
            multiprocessing_context="fork" if self._workers else None,
        )


class _PlainImages(torch.utils.data.Dataset[Tensor]):
    def __init__(self, files: Sequence[Path], transform: Callable[[Any], Tensor]) -> None:
        self.files = files
        self.transform = transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor:
        from PIL import Image

        return self.transform(Image.open(self.files[index]).convert("RGB"))


def _torchvision_steps(preprocess: str) -> list[Any]:
    from torchvision import transforms

    modes = transforms.InterpolationMode
    known: dict[str, Callable[[Any], Any]] = {
        "resize": transforms.Resize,
        "resize_bicubic": lambda size: transforms.Resize(size, modes.BICUBIC),
        "resize_lanczos": lambda size: transforms.Resize(size, modes.LANCZOS),
        "center_crop": transforms.CenterCrop,
    }
    steps = []
    for step in parse(preprocess).steps:
        if step.op.name not in known:
            raise UsageError(
                f"bench: no torchvision transform stands for {step}",
                hint=f"a --preprocess of {', '.join(known)} or native",
            )
        size = step.args[0] if len(step.args) == 1 else list(step.args)
        steps.append(known[step.op.name](size))
    return steps


class OurLoop(Loop):
    """The evaluation of ``harness run``: hash, read, decode, score, journal, prediction file.

    Args:
        work: what to score.
        runtime: see :func:`harness.engine.accelerate.accelerate`.
        workers: threads.
    """

    def __init__(self, work: Work, runtime: str, workers: int) -> None:
        spec, loaded = load(work.method, work.token)  # not kept: its weights count as memory
        self._compute = Compute(device=torch.device("cpu"), runtime=runtime, workers=workers)
        self._scorer, seconds, _ = _timed(lambda: Scorer(spec, loaded, self._compute))
        made = self._scorer.function
        self.start = Start(seconds=seconds, form=made.form, refused=made.refused)
        self._preprocess = parse(work.preprocess)
        self._key = PredictionKey(
            suite="bench",
            subset="bench",
            manifest="",
            detector=spec.name,
            version=spec.version,
            variant=loaded.variant,
            weights=loaded.ref.sha256,
            preprocess=work.preprocess,
        )
        # A file may be given more than once (the memory test does); an id may not.
        self._samples = [
            Sample(id=f"{number:06d}", label=number % 2, source=FileSource(str(file)))
            for number, file in enumerate(work.files)
        ]

    def split(self) -> Split:
        """Median of each step, on one thread."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            laps = [self._steps(sample) for sample in self._samples]
        finally:
            torch.set_num_threads(threads)
        return {step: statistics.median(lap[step] for lap in laps) for step in laps[0]}

    def _steps(self, sample: Sample) -> Split:
        name = decode.display_name(sample)
        marks = [time.perf_counter()]
        data = decode.read_bytes(sample)
        marks.append(time.perf_counter())
        image = decode.decode(data, name)
        marks.append(time.perf_counter())
        images = to_tensor(self._preprocess(image))[None]
        marks.append(time.perf_counter())
        self._scorer.pixels(images, name)
        marks.append(time.perf_counter())
        steps = ("read", "decode", "resize", "forward")
        return {
            step: 1e3 * (after - before)
            for step, before, after in zip(steps, marks[:-1], marks[1:], strict=True)
        }

    def scores(self) -> list[float]:
        """One pass, to a prediction file and back."""
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder)
            samples = tuple(hash_samples(self._samples, out / "hashes.parquet"))
            key = replace(self._key, manifest=Manifest("bench/bench", samples).digest)
            with open_journal(out / "bench.journal", key, len(samples)) as journal:
                task = Share(scorer=self._scorer, preprocess=self._preprocess, journal=journal)
                SubsetScoring(
                    samples, [task], self._compute, skip_bad=False, tick=lambda _: None
                ).run()
                if task.error is not None:
                    raise task.error
                predictions = journal.finish(out / "bench.parquet", key, samples)
                return list(map(float, predictions.scores))


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the machine does at best, all cores.

    Args:
        blas_gflops: fp32 matrix product by torch's BLAS, 10^9 operations a second.
        onednn_gflops: the same product as a 1x1 convolution by oneDNN: faster where the BLAS
            (MKL on AMD, for one) does not use the widest instructions.
        decode_per_s: images a second, read and decoded only.
    """

    blas_gflops: float
    onednn_gflops: float
    decode_per_s: float


class MachineProbe:
    """Measures :class:`Limits`.

    Args:
        work: whose files are decoded.
        workers: threads that decode.
    """

    SIDE = 768  # a product takes some milliseconds: other work on the machine misses most of them

    def __init__(self, work: Work, workers: int) -> None:
        self._files = work.files
        self._workers = workers
        generator = torch.Generator().manual_seed(0)
        self._matrix = torch.rand(self.SIDE, self.SIDE, generator=generator)
        conv = nn.Conv2d(self.SIDE, self.SIDE, 1, bias=False)
        conv.weight.data.copy_(self._matrix[:, :, None, None])
        self._conv: Callable[[Tensor], Tensor] = conv
        if torch.backends.mkldnn.enabled and torch._C._has_mkldnn:
            self._conv = FusedConv(conv, "none")

    def lap(self) -> Limits:
        """One measurement."""
        columns = self._matrix.reshape(1, self.SIDE, 32, self.SIDE // 32)
        _, seconds, _ = _timed(self._decode_all)
        return Limits(
            blas_gflops=self._gflops(lambda: self._matrix @ self._matrix),
            onednn_gflops=self._gflops(lambda: self._conv(columns)),
            decode_per_s=len(self._files) / seconds,
        )

    def _gflops(self, product: Callable[[], object]) -> float:
        """Each thread's best of several products, added up: products that wait for nothing."""

        def best_seconds(_: int) -> float:
            torch.set_num_threads(1)
            with torch.inference_mode():
                return min(_timed(product)[1] for _ in range(100))

        found = ordered_map(best_seconds, range(self._workers), workers=self._workers)
        return sum(2 * self.SIDE**3 / outcome.get() / 1e9 for outcome in found)

    def _decode_all(self) -> None:
        def one(file: Path) -> int:
            return len(decode.decode(file.read_bytes(), str(file)))

        for outcome in ordered_map(one, self._files, workers=self._workers):
            outcome.get()


def _timed(function: Callable[[], Any]) -> tuple[Any, float, float]:
    """The function's value, its wall seconds, and CPU seconds of this process and its children."""
    before = os.times()
    start = time.perf_counter()
    value = function()
    seconds = time.perf_counter() - start
    after = os.times()
    return value, seconds, sum(after[:4]) - sum(before[:4])
