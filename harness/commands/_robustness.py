"""The work of ``robustness``."""

from __future__ import annotations

import argparse
import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

from harness.commands import _matrix, _treatments
from harness.commands._matrix import Request
from harness.data.perturb import CHAINS, parse_perturbation, split_texts
from harness.data.suite import Selection
from harness.errors import UsageError
from harness.evaluation.matrix import Matrix
from harness.evaluation.twins import Twin
from harness.figures.curves import curves
from harness.report.table import Table
from harness.report.tables.robustness import panels, treatments
from harness.report.tables.treatments import ALONE, CONTROLS, REALS
from harness.results.store import write_atomic

log = logging.getLogger(__name__)


def run(args: argparse.Namespace) -> int:
    texts = _texts(args.perturbations)
    asked = _matrix.request(args)
    twins = [
        Twin(
            name=text,
            first=job,
            job=dataclasses.replace(job, perturbation={"*": text}),
            reasons={},
        )
        for text in texts
        for job in asked.jobs
    ]
    jobs = [*asked.jobs, *(twin.job for twin in twins)]
    with _matrix.engine(args, asked) as engine:
        matrix = Matrix(jobs, asked.settings, engine)
        records = matrix.run(asked.selections)
    for selection in asked.selections:
        for path in _report(asked, twins, matrix, selection):
            log.info("%s", path)
    log.info("%s", _matrix.counts(matrix))
    return _matrix.finish(args, asked, records)


def _texts(given: str) -> list[str]:
    """Canonical texts, each once.

    Raises:
        UsageError: a wrong text, or none that changes anything.
    """
    texts = list(dict.fromkeys(str(parse_perturbation(text)) for text in split_texts(given)))
    texts = [text for text in texts if text]
    if not texts:
        raise UsageError(
            "--perturbations names nothing that changes an image",
            hint="--perturbations 'jpeg(90),scale(0.5)|jpeg(75)'",
        )
    return texts


def _report(
    asked: Request, twins: Sequence[Twin], matrix: Matrix, selection: Selection
) -> list[Path]:
    suite = selection.suite
    names = {str(parse_perturbation(name)): name for name in CHAINS}
    columns = treatments(list(dict.fromkeys(twin.name for twin in twins)), names)
    chains = "; ".join(f"{names[c.key]}: {c.key}" for c in columns if c.key in names)
    about = Table(
        name=f"robustness-{suite.name}",
        title=f"{suite.title}: robustness",
        caption="Every picture, real or fake, was perturbed after decoding and before the "
        f"detector's own geometry.{' ' * bool(chains)}{chains}{'.' * bool(chains)}",
    )
    rows = _treatments.treated(matrix, asked.jobs, twins, suite.name)
    out = asked.settings.out
    table = _treatments.table(about, selection, columns, rows, out=out, differences=False)
    print(_treatments.as_text(table) + "\n")
    folder = asked.settings.out / "robustness"
    shown = {column.metric for column in table.columns}
    alone = tuple(block for block in (CONTROLS, ALONE) if block in shown)
    blocks = ("AP", REALS) if REALS in shown else alone
    figure = folder / f"{table.name}.svg"
    write_atomic(figure, curves(table, panels(columns), blocks))
    return [*_treatments.write(table, folder), figure]
