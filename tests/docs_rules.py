"""What the documents type, and how a test makes it small enough to run.

A fenced block is one of three things, by what stands after its three backquotes:

* ``sh``: commands. Each is run in a prepared folder, or stands in :data:`ELSEWHERE` with a reason.
* ``python PATH``, and ``toml``, ``csv``, ``bash``: a file, written to PATH in the prepared folder.
* ``text ROOT``: folders that readers are told to make; ``text`` alone: something printed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from tests.conftest import CHECKOUT

PAGES = sorted([CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *CHECKOUT.glob("docs/*.md")])
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_BRACES = re.compile(r"\{([^}]*)\}")


@dataclass(frozen=True, kw_only=True)
class Fence:
    """One fenced block: its page, first line, language, what follows the language, and text."""

    page: Path
    line: int
    language: str
    name: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command line of a document, as typed, without its comment."""

    where: str
    typed: str

    @property
    def ours(self) -> list[str] | None:
        """What follows ``python -m harness``, or None for another program."""
        found = re.match(r"(?:torchrun .*|python )-m harness(\.run)?( .*|$)", self.typed)
        return found and (["run"] if found[1] else []) + shlex.split(found[2])


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How commands that match are made small; it may add and exchange what sets the scale only.

    Args:
        match: a regular expression that is looked for in the command.
        add: words put at its end, where they win.
        instead: old word -> new word.
        codes: the exit codes that are right here.
        slow: it still takes more than ten seconds.
        why: what is expensive, or other than on the reader's machine.
    """

    match: str
    add: tuple[str, ...] = ()
    instead: tuple[tuple[str, str], ...] = ()
    codes: tuple[int, ...] = (0,)
    slow: bool = False
    why: str


RULES = (
    Rule(match=r" /(data|original|later)\b",
         instead=(("/data", "data"), ("/original", "original"), ("/later", "later")),
         why="the reader's data root is a folder of the prepared one"),
    Rule(match=r"^train (?!.*--measure)", add=("--epochs", "1"), why="one epoch shows it"),
    Rule(match=r"^ablation ", add=("--epochs", "1", "--seeds", "0", "--train-data", "my-train",
                                   "--val-data", "my-val", "--images", "photos"), slow=True,
         why="two core-hours; a spec's every row is trained and scored all the same"),
    Rule(match=r"^check .*--audit ", instead=(("mini", "mini:gan"),), why="near duplicates of all"),
    Rule(match=r"^run .*--suite mini --twin [^,]+ ", instead=(("mini", "mini:gan"),),
         why="a whole suite once more"),
    Rule(match=r"--twin \S+,\S+,", add=("--limit", "5"), why="a whole suite five more times"),
    Rule(match=r"^robustness ", add=("--limit", "1"), why="sixteen perturbations of each picture"),
    Rule(match=r"^dev stability ", add=("--limit", "2"), why="a dozen runs of each picture"),
    Rule(match=r"^tsne ", add=("--limit", "8"), why="embeds every picture"),
    Rule(match=r"^compare ", add=("--resamples", "200"), why="2,000 resamples"),
    Rule(match=r"^dev coverage\b", add=("--repeats", "2", "--resamples", "20", "--workers", "1"),
         why="half a minute of simulations"),
    Rule(match=r"^bench --scale ", slow=True, why="three processes that import torch"),
    Rule(match=r"^bench (?!--scale)", add=("--n", "4", "--rounds", "1",
                                "--method", "lfm:weights/stand-in.safetensors"), slow=True,
         why="640 images; its loops are processes, to which the stand-in must be named"),
    Rule(match=r"^run .*--ray\b", slow=True,
         instead=(("lfm,chance", "lfm:weights/stand-in.safetensors,chance"),),
         why="starts a cluster, to whose workers the stand-in must be named"),
    Rule(match=r"^cost (?!.*--repeats)", add=("--repeats", "1"), why="ten timed calls"),
    Rule(match=r"^why ", add=("--free",), codes=(0, 1),
         why="minutes of scoring; the numbers of the pages are those of the published checkpoint"),
    Rule(match=r"^dev why-bench", add=("--families", "metric", "--only", "1"), codes=(0, 1),
         slow=True, why="hours: every condition is planted"),
    Rule(match=r"^diff .*--fail-over", codes=(1,),
         why="the published checkpoint is a stand-in here, so its numbers must be off"),
)  # fmt: skip


ELSEWHERE = {
    "git clone <this repository> lfm-bench && cd lfm-bench": "needs the network",
    "./run_all.sh": "trains for minutes; tests/test_run_all.py has its command line, "
    "every command in it is run here or in the tests of its own",
    "python3 -m venv .venv": "makes what this test runs in",
    "./run_all.sh test": "runs this very test",
    ".venv/bin/pip install -c constraints.txt -e .": "needs a package index",
    ".venv/bin/pip install -e '.[onnx]'": "needs a package index",
    ".venv/bin/pip install -e '.[ray]'": "needs a package index",
    "pip install .": "tests/test_installed.py does",
    "python -m harness run --method timm:resnet18 --weights mine.pth --fake-label 1 "
    "--suite mini:gan": "needs a reader's checkpoint; tests/outside/test_models.py makes one",
    "pip install 'lfm-bench[onnx]'": "needs a package index",
    "lfm-bench list": "tests/test_installed.py does",
    'eval "$(lfm-bench completion bash)"': "tests/commands/test_completion.py does",
    "lfm-bench completion fish | source": "tests/commands/test_completion.py does",
    "ray start --head --port 6379": "runs until it is stopped; tests/test_cluster_runs.py",
    "ray start --address HOST:6379": "is for another machine; tests/test_cluster_runs.py",
    "python -m harness run --method lfm --suite paper --data-root /data --ray HOST:6379": (
        "needs that cluster; tests/test_cluster_runs.py has one of several nodes"
    ),
    "sbatch score.sbatch": "needs Slurm; tests/test_slurm.py runs it with a stub",
    "python -m harness bench --scale 1000000": "half an hour; that of 2,000 is the small form",
    "python -m harness dev kill-test --images 200000": "minutes; tests/test_cluster_runs.py",
    ".venv/bin/pip install -e '.[demo]'": "needs a package index",
    ".venv/bin/pip install --no-deps 'pillow>=13'": "needs a package index",
    "source .venv/bin/activate": "is about the reader's shell",
    "torchrun --nproc-per-node 2 -m harness train --method lfm "
    "--train-suite mini-train --seeds 0": (
        "starts processes; tests/training/test_parallel.py runs two"
    ),
    "python -m harness ablation tables/specs/ablation/k.toml --to tables/out": (
        "as core.toml's, which is run; tests/test_ablation.py loads every spec"
    ),
    "python -m harness ablation tables/specs/ablation/core.toml --train-suite forensynths-train "
    "--suite forensynths --data-root /data --out runs/ablation-forensynths": (
        "hours, and its small form is that of the other data"
    ),
    "python -m harness explain --suite mini --limit 8 --method lfm:released,lfm,npr,gap --weights "
    "runs/training/mini-train": "two more to train; photo.jpg's is the small form",
    "python -m harness tsne --suite mini --method lfm,gap,npr --weights runs/training/mini-train": (
        "three more detectors to train; mini:gan's is the small form"
    ),
    ".venv/bin/python -m pytest -s tests/data/test_lookalikes.py -k made_set": "is a test already",
    "python -m harness weights --fetch safe --accept-unverified": (
        "needs the network; tests/test_download.py fetches such a file"
    ),
    "python -m harness fetch gangen --data-root /data": "needs the network; tests/test_fetch.py",
    "python -m harness fetch lfm:released": "needs the network; tests/test_fetch.py",
    "python -m harness demo": "serves until it is stopped; tests/demo runs it",
    "python -m harness bench --method lfm,npr,gap,safe,cnndetection --rounds 3": (
        "eight minutes; that of one detector is the small form"
    ),
    "python -m harness bench --memory": "20,000 images, minutes",
    "python -m harness train --method lfm --train-suite mini-train --measure": (
        "measures for half a minute; tests/training/test_throughput.py"
    ),
}
"""Command line -> why nothing can run it here. Those of ours are parsed all the same."""


def fences(page: Path) -> list[Fence]:
    """All fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        language, _, name = match[1].strip().partition(" ")
        line = text.count("\n", 0, match.start()) + 1
        found.append(Fence(page=page, line=line, language=language, name=name, text=match[2]))
    return found


def all_fences() -> list[Fence]:
    """All fenced blocks of all pages."""
    return [fence for page in PAGES for fence in fences(page)]


def commands() -> list[Command]:
    """Every command line of every page once, in the order of the pages."""
    found: dict[str, str] = {}
    for fence in all_fences():
        for typed in _lines(fence):
            found.setdefault(typed, f"{fence.page.name}:{fence.line}")
    return [Command(where=where, typed=typed) for typed, where in found.items()]


def _lines(fence: Fence) -> Iterator[str]:
    """The commands of a block, without comments, a continued line joined."""
    text = fence.text if fence.language == "sh" else ""
    for line in text.replace("\\\n", " ").splitlines():
        if typed := re.sub(r"\s+#.*", "", line).split():
            yield " ".join(typed)


def small(words: list[str]) -> tuple[list[str], tuple[int, ...]]:
    """A command of ours made small by :data:`RULES`, and the exit codes that are right."""
    typed = " ".join(words)
    codes: tuple[int, ...] = (0,)
    for rule in RULES:
        if re.search(rule.match, f"{typed} "):
            exchanged = dict(rule.instead)
            words = [exchanged.get(word, word) for word in _without(words, rule.add)]
            words += rule.add
            codes = rule.codes if rule.codes != (0,) else codes
    return words, codes


def is_slow(words: list[str]) -> bool:
    """Whether a command takes long even when it is made small."""
    typed = f"{' '.join(words)} "
    return any(rule.slow and re.search(rule.match, typed) for rule in RULES)


def _without(words: list[str], added: tuple[str, ...]) -> list[str]:
    """The words without the flags that are added: each is given once."""
    flags = {word for word in added if word.startswith("--")}
    return [
        word
        for before, word in zip(["", *words], words, strict=False)
        if word not in flags and before not in flags
    ]


def folders(fence: Fence) -> list[Path]:
    """The folders of a ``text ROOT`` block, braces expanded, ROOT put below the current one."""
    root = Path(fence.name.lstrip("/"))
    return [root / path for line in fence.text.split() for path in _expanded(line)]


def _expanded(text: str) -> Iterator[str]:
    """``a/{b,c}`` -> ``a/b``, ``a/c``."""
    choices = [part.split(",") for part in _BRACES.findall(text)]
    frame = _BRACES.sub("\0", text).split("\0")
    for chosen in product(*choices):
        yield "".join(a + b for a, b in zip(frame, (*chosen, ""), strict=True))


def anchors(page: Path) -> set[str]:
    """What ``#...`` can name in a page: its headings, as GitHub spells them."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
