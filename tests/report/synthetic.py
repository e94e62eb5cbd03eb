"""Small synthetic records with round numbers, for tests of tables and diff."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.api import Recipe
from harness.report.printed import Paper, load_paper
from harness.report.retrained import Retrainable
from harness.report.spec import load_specs
from harness.report.tables.paper import NetworkCost, Sources
from harness.results.records import Made, Metric, RunRecord, SubsetResult, WeightsRef

ROOT = Path(__file__).resolve().parents[2]
PAPER = load_paper(ROOT / "tables" / "references" / "paper")
SPECS = {spec.name: spec for spec in load_specs(ROOT / "tables" / "specs")}
PUBLISHED = {"lfm": "released", "npr": "released", "gap": "", "trivial": "", "chance": ""}


def metrics(**values: float) -> dict[str, Metric]:
    return {name: Metric(value=value) for name, value in values.items()}


def result(subset: str, n: int = 1000, **changes: object) -> SubsetResult:
    fields: dict[str, object] = {
        "subset": subset,
        "status": "ok",
        "n_real": n,
        "n_fake": n,
        "manifest": "m" * 64,
        "metrics": metrics(acc=0.9, ap=0.95),
    }
    return SubsetResult(**{**fields, **changes})  # type: ignore[arg-type]


def record(suite: str, subsets: tuple[SubsetResult, ...], **changes: object) -> RunRecord:
    fields: dict[str, object] = {
        "detector": "lfm",
        "title": "LFM",
        "version": 1,
        "variant": "algorithm1",
        "suite": suite,
        "weights": WeightsRef(label="released", sha256="a" * 64),
        "preprocess": "resize(256,256)",
        "published_preprocess": "resize(256,256)",
        "subsets": subsets,
        "mean": means(subsets),
    }
    return RunRecord(**{**fields, **changes})  # type: ignore[arg-type]


def made_in(record: RunRecord, environment: dict[str, str]) -> RunRecord:
    """The record as scored in one environment."""
    made = Made(environment=environment)
    results = tuple(replace(result, made=(made.digest,)) for result in record.subsets)
    return replace(record, subsets=results, made={made.digest: made})


def means(subsets: tuple[SubsetResult, ...]) -> dict[str, Metric]:
    """The mean as the harness makes it: undefined, with a note, while a subset is not whole."""
    holes = [r.subset for r in subsets if r.status != "ok"]
    if holes:
        note = f"not whole: {', '.join(holes)}"
        return {name: Metric(value=None, note=note) for name in ("acc", "ap")}
    names = subsets[0].metrics
    scored = [r.metrics for r in subsets if r.group != "controls"]
    return {
        name: Metric(value=sum(m[name].value or 0.0 for m in scored) / len(scored))
        for name in names
    }


def subsets_of(suite: str) -> list[str]:
    """The subset names of a paper suite, from its spec."""
    if suite == "diffusion1k":
        return ["DALLE", "ddpm", "guided-diffusion", "improved-diffusion", "midjourney"]
    return [column.subset for column in SPECS[suite].columns if column.subset]


def paper_like(suite: str, method: str = "LFM", shift: float = 0.0, **changes: object) -> RunRecord:
    """A record whose numbers are the paper's plus ``shift`` percentage points."""
    spec = SPECS[suite]
    results = tuple(
        result(
            column.subset,
            metrics=metrics(
                acc=(PAPER.value(suite, method, column.paper, "ACC") + shift) / 100,
                ap=(PAPER.value(suite, method, column.paper, "AP") + shift) / 100,
            ),
        )
        for column in spec.columns
        if column.subset
    )
    return record(suite, results, **changes)


def mini_record(
    detector: str, seed: int | None, ap: float, acc: float, *, label: str | None = None
) -> RunRecord:
    """A record on mini with one AP, ACC and fake ACC everywhere; reals 0.9, controls 0.7."""
    results = []
    for entry in SPECS["mini-sets"].sets:
        if entry.reals:
            continue
        values = (
            metrics(acc=acc, ap=ap, real_acc=0.9, fake_acc=2 * acc - 0.9)
            if entry.fakes
            else {
                **metrics(acc=0.7, real_acc=0.7),
                "ap": Metric(value=None, note="one class"),
                "fake_acc": Metric(value=None, note="no fakes"),
            }
        )
        group = entry.group
        results.append(result(entry.sets[0], n=100, metrics=values, group=group))
    named = f"mini-train/seed{seed}" if label is None else label
    return record(
        "mini",
        tuple(results),
        detector=detector,
        title=detector.upper(),
        variant="",
        weights=WeightsRef(label=named, sha256=f"{detector}{seed}", seed=seed),
    )


def sources(*records: RunRecord, paper: Paper = PAPER, **costs: NetworkCost) -> Sources:
    return Sources(records=records, paper=paper, published=PUBLISHED, costs=costs)


FRANK = Retrainable(
    recipe=Recipe(epochs=1, batch_size=1, lr=0.0, betas=(0.5, 0.9), source="a README"),
    variant="",
    trained_on="forensynths-train",
    images=144024,
)


def frank(seed: int = 0, shift: float = 0.0, **recipe: object) -> RunRecord:
    """Frank's row of GANGen, trained here by its recipe but for what is given."""
    used = {"epochs": 1, "batch_size": 1, "lr": 0.0, "betas": [0.5, 0.9], "training_images": 144024}
    weights = WeightsRef(
        label=f"forensynths-train/seed{seed}",
        sha256=f"{seed}" * 64,
        trained_on="forensynths-train",
        seed=seed,
        recipe={**used, **recipe},
    )
    changes = {"detector": "frank", "title": "Frank", "variant": "", "weights": weights}
    return paper_like("gangen", "Frank", shift, **changes)


def with_frank(*records: RunRecord) -> Sources:
    """As :func:`sources`, where Frank is a detector without published weights."""
    found = sources(*records)
    return replace(found, published={**PUBLISHED, "frank": ""}, retrainable={"frank": FRANK})
