"""The work of ``why``."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from harness.checkpoints.presence import presence, weights_dir
from harness.commands import _diff, _flags, _matrix, _sources
from harness.data.own import own_selections
from harness.data.scores import ScoreColumns
from harness.data.suite import Selection
from harness.diagnosis import words
from harness.diagnosis.answering import Extras, explain
from harness.diagnosis.condition import MEAN, MetricCell, ScoredSubset
from harness.diagnosis.numbers import explain_numbers, read_numbers
from harness.diagnosis.row import ScoredRow, scored_row
from harness.diagnosis.search import Effort
from harness.diagnosis.their_scores import explain_scores
from harness.diagnosis.theirs import read_theirs
from harness.diagnosis.wanted import Sameness, of_cells, typed
from harness.engine.scorer import Job
from harness.errors import UsageError
from harness.evaluation.plan import Settings
from harness.metrics.digits import decimals_of
from harness.registry.suites import all_suites
from harness.report.against_reference import Known, against_reference
from harness.report.diff import DiffCell, against_paper
from harness.report.measured import newest
from harness.report.references import PAPER, load_reference
from harness.results.answers import WhyAnswer, save_answer
from harness.results.paths import REFERENCES
from harness.results.records import row_name
from harness.results.reservations import SURE
from harness.results.store import load_records

TRAINING = "reals of the training set"


def run(args: argparse.Namespace) -> int:
    answer = answered(args)
    if answer.wanted:
        save_answer(args.out, answer)
    print((words.as_json if args.json else words.as_text)(answer).rstrip())
    return 0 if answer.of("explains") else 1


def answered(args: argparse.Namespace) -> WhyAnswer:
    """What the flags ask for.

    Raises:
        HarnessError: they ask for nothing, or for what is not here.
    """
    _check(args)
    if args.numbers:
        return explain_numbers(read_numbers(Path(args.numbers)), args.reference or PAPER)
    job, settings, selection = _asked(args)
    if args.reference:
        return _of_reference(args, job, settings, selection)
    given = typed(args.number, selection)
    if given:
        selection = _only(selection, {each.cell.subset for each in given})
    row = scored_row(job, selection, settings)
    if args.scores:
        theirs = read_theirs(args.scores, ScoreColumns())
        return explain_scores(row, theirs, _effort(args), _extras(args, row))
    return explain(row, given, _sameness(args, row), _effort(args), _extras(args, row))


def _check(args: argparse.Namespace) -> None:
    """Raises UsageError where nothing, or two things, are to be explained."""
    asked = [
        flag
        for flag, value in (
            ("--number", args.number),
            ("--scores", args.scores),
            ("--numbers", args.numbers),
        )
        if value
    ]
    if args.reference and not args.numbers:
        asked.append("--reference")
    if len(asked) != 1:
        raise UsageError(
            "say what is to be explained" + (f", not {' and '.join(asked)}" if asked else ""),
            hint="--number ACC=62.3, or --reference paper, or --scores FILE, or --numbers FILE",
        )
    if not args.numbers and not args.method:
        raise UsageError("say which detector", hint="--method lfm:released")


def _asked(args: argparse.Namespace) -> tuple[Job, Settings, Selection]:
    """The one row that is asked about."""
    asked = _matrix.request(args)
    if len(asked.jobs) != 1 or len(asked.selections) != 1:
        raise UsageError(
            f"{len(asked.jobs)} detectors on {len(asked.selections)} suites, expected one of each",
            hint="ask about one row at a time",
        )
    return asked.jobs[0], asked.settings, asked.selections[0]


def _only(selection: Selection, subsets: set[str]) -> Selection:
    """The subsets that numbers are of; all where one is of the mean."""
    if MEAN in subsets:
        return selection
    kept = tuple(each for each in selection.subsets if each.name in subsets)
    return dataclasses.replace(selection, subsets=kept)


def _effort(args: argparse.Namespace) -> Effort:
    families = frozenset(filter(None, (name.strip() for name in args.family.split(","))))
    return Effort(
        seconds=args.budget,
        forward=not args.free,
        pairs=not args.no_pairs,
        families=families,
    )


def _sameness(args: argparse.Namespace, row: ScoredRow) -> Sameness:
    """Whether numbers that were typed are of the images that are here."""
    if args.other_images:
        return Sameness(doubt="--other-images says so")
    if args.limit:
        return Sameness(doubt=f"--limit {args.limit} takes a part of them")
    if row.suite.embedded:
        return Sameness(why="the suite is part of this program")
    if args.images:
        return Sameness(why="you give them together (--other-images where they are not)")
    return _published_counts(row)


def _published_counts(row: ScoredRow) -> Sameness:
    """Whether the images of a suite are as many as are published, and none is left out."""
    for name in row.sets:
        result = row.result(name)
        if result.counts not in SURE or result.expected_real is None:
            return Sameness(doubt=f"nobody documents how many images {name} has")
        if (result.n_real, result.n_fake) != (result.expected_real, result.expected_fake):
            return Sameness(
                doubt=f"{name} has {result.n_real} + {result.n_fake} images here, published are "
                f"{result.expected_real} + {result.expected_fake}"
            )
        if result.skipped or result.left_out:
            return Sameness(doubt=f"images of {name} are left out here")
    return Sameness(why="they are as many of each class as are published")


def _extras(args: argparse.Namespace, row: ScoredRow) -> Extras:
    """What conditions need beside the row."""
    tokens = {}
    for weights in row.job.spec.weights:
        if weights.name != row.job.weights.label:
            found = presence(weights, weights_dir())
            tokens[weights.name] = "" if found.path else found.state
    return Extras(
        reference=args.reference,
        rows=_other_rows(args, row),
        pools=_training_reals(args, row),
        orders=_orders(args, row),
        tokens=tokens,
    )


def _other_rows(args: argparse.Namespace, row: ScoredRow) -> dict[str, dict[MetricCell, float]]:
    """The numbers of other detectors' records on the suite."""
    found: dict[str, dict[MetricCell, float]] = {}
    for record in newest(load_records(args.out)):
        if record.suite != row.suite.name or record.detector == row.job.spec.name:
            continue
        places = [(each.subset, each.metrics) for each in record.subsets]
        found[row_name(record.detector, record.weights.label)] = {
            MetricCell(subset, name): metric.value
            for subset, metrics in [*places, (MEAN, record.mean)]
            for name, metric in metrics.items()
            if metric.value is not None
        }
    return found


def _training_reals(args: argparse.Namespace, row: ScoredRow) -> dict[str, ScoredSubset]:
    if not args.training_reals:
        return {}
    selections = own_selections([args.training_reals], _flags.columns(args), "")
    pool = scored_row(row.job, selections[0], row.settings)
    found = next(iter(pool.sets.values()))
    return {TRAINING: found.take(found.labels == 0)}


def _orders(args: argparse.Namespace, row: ScoredRow) -> dict[str, tuple[str, ...]]:
    """A stored list's order of every subset's ids.

    Raises:
        UsageError: it does not name the images of a subset.
    """
    if not args.order:
        return {}
    try:
        lines = Path(args.order).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise UsageError(f"--order {args.order}: {error}") from error
    place = {line.strip(): number for number, line in enumerate(lines)}
    orders = {}
    for name, scored in row.sets.items():
        known = [each for each in scored.ids if each in place or Path(each).name in place]
        if len(known) < len(scored.ids):
            absent = next(each for each in scored.ids if each not in known)
            raise UsageError(
                f"--order {args.order}: no line names {absent}",
                hint="one id, or one file name, a line",
            )
        orders[name] = tuple(
            sorted(scored.ids, key=lambda each: place.get(each, place.get(Path(each).name, 0)))
        )
    return orders


def _of_reference(
    args: argparse.Namespace, job: Job, settings: Settings, selection: Selection
) -> WhyAnswer:
    """Every off cell of the row: it is scored first, then compared as ``diff`` does."""
    row = scored_row(job, selection, settings)
    cells = [cell for cell in _cells(args, row) if cell.status == "off"]
    names = {subset.name for subset in selection.subsets}
    if len(names) < len(selection.suite.subsets):
        cells = [cell for cell in cells if cell.subset in names]
    if not cells:
        return WhyAnswer(
            detector=job.spec.name,
            weights=job.weights.label,
            suite=row.suite.name,
            remarks=(f"No number of this row is off: it agrees with {args.reference}.",),
        )
    printed = [cell.reference for cell in cells if cell.reference is not None]
    given = of_cells(cells, decimals_of(printed))
    row = scored_row(job, _only(selection, {each.cell.subset for each in given}), settings)
    doubtful = [cell for cell in cells if not cell.comparable]
    reasons = [reason for cell in doubtful for reason in cell.reasons]
    same = _published_counts(row)
    if doubtful:
        same = Sameness(doubt=reasons[0] if reasons else "they are not comparable")
    return explain(row, given, same, _effort(args), _extras(args, row))


def _cells(args: argparse.Namespace, row: ScoredRow) -> list[DiffCell]:
    """The row's numbers beside the reference's."""
    sources = _sources.gather(args.out)
    if args.reference == PAPER:
        cells = against_paper(_sources.specs(), sources)
    else:
        reference = load_reference(REFERENCES, args.reference)
        known = Known(
            suites=all_suites(), published=_diff.published_labels(), records=sources.records
        )
        cells = list(against_reference(reference, known).cells)
    wanted = (row.suite.name, row.job.spec.name, row.job.weights.label)
    return [cell for cell in cells if (cell.suite, cell.detector, cell.weights) == wanted]
