"""What commands that score have in common: which data, which detectors, and how."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.api import DetectorSpec
from harness.cluster.session import connected, default_cores
from harness.commands import _flags, _jobs
from harness.data.adapters import subset_folder
from harness.data.own import own_selections
from harness.data.preprocess import parse
from harness.data.suite import Selection
from harness.engine.scorer import Job
from harness.errors import DataError, HarnessError, UsageError
from harness.evaluation import recorder as recording
from harness.evaluation.dealing import Dealing
from harness.evaluation.matrix import Matrix
from harness.evaluation.plan import Settings
from harness.evaluation.work import Engine, Local
from harness.registry.suites import all_suites, find_root, parse_selection
from harness.report.protocols import DEFAULT, Protocol, load_protocol
from harness.results.paths import PROTOCOLS
from harness.results.records import RunRecord
from harness.results.store import save_record

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the flags ask for.

    Args:
        selections: whose data is there.
        absent: why the others' is not (``--skip-absent``).
        jobs: detectors whose weights load.
        broken: saved records of the others.
        settings: how.
    """

    selections: tuple[Selection, ...]
    absent: tuple[HarnessError, ...]
    jobs: tuple[Job, ...]
    broken: tuple[RunRecord, ...]
    settings: Settings


def request(args: argparse.Namespace) -> Request:
    """What the flags of ``_flags.add_scoring`` ask for.

    Raises:
        HarnessError: a wrong flag, not one detector whose weights load, or absent data; in this
            order, so that nobody fetches data to learn of a typing error.
        OSError: ``--out`` cannot be written; said before hours of work.
    """
    if args.preprocess:
        parse(args.preprocess)  # before a network is loaded for nothing
    protocol = _protocol(args)
    _chosen(args)
    wanted = _jobs.selected(args)
    compute = _jobs.compute(args)
    jobs, failures = _set_up(wanted, args.preprocess)
    jobs = [under(job, protocol) for job in jobs]
    selections, absent = present(args)
    _flags.require_writable(args.out)
    broken = _failed_records(failures, selections, args.out, protocol)
    settings = Settings(
        out=args.out,
        compute=compute,
        data_root=args.data_root,
        limit=args.limit,
        overwrite=args.overwrite,
        skip_bad=args.on_bad_image == "skip",
        resampling=_flags.resampling(args),
        config=_config(args),
    )
    return Request(
        selections=tuple(selections),
        absent=tuple(absent),
        jobs=tuple(jobs),
        broken=tuple(broken),
        settings=settings,
    )


def _config(args: argparse.Namespace) -> dict[str, str]:
    """The flags as they are noted with scores. Which machines shared the work is no part of it:
    each score's environment says where it was made."""
    given = {name: _flags.text(value) for name, value in sorted(vars(args).items())}
    silent = {"ray", "shard"}
    silent |= {name for name in ("allow_mixed", "reals") if not getattr(args, name, False)}
    silent |= {"protocol"} if given.get("protocol") == DEFAULT else set()
    return {name: text for name, text in given.items() if name not in silent}


def _protocol(args: argparse.Namespace) -> Protocol:
    """What ``--protocol`` names; commands without the flag follow the default.

    Raises:
        UsageError: it is not known, or other flags would change what it is.
    """
    protocol = load_protocol(PROTOCOLS, getattr(args, "protocol", DEFAULT))
    if protocol.is_default:
        return protocol
    for flag, value in (("--preprocess", args.preprocess), ("--twin", getattr(args, "twin", ""))):
        if value:
            raise UsageError(
                f"--protocol {protocol.name} says what is done to images, and so does {flag}",
                hint=f"leave {flag} out, or the protocol",
            )
    for text in protocol.lacks(all_suites()):
        log.info("protocol %s, cannot be done here: %s", protocol.name, text)
    return protocol


def under(job: Job, protocol: Protocol) -> Job:
    """The job as a protocol has it; the default one changes nothing."""
    if protocol.is_default:
        return job
    return dataclasses.replace(
        job,
        geometry=protocol.geometry,
        perturbation=protocol.perturbation,
        protocol=protocol.name,
    )


def _chosen(args: argparse.Namespace) -> list[Selection]:
    """What ``--suite`` names; UsageError where that is nothing known, or no data is named."""
    if bool(args.suite) == bool(args.images):
        raise UsageError("say what to run on", hint="--suite NAME or --images DIR (one of them)")
    if args.reals and not args.images:
        raise UsageError("--reals is a pool for your own images", hint="--images PLACE")
    return parse_selection(args.suite, args.data_root) if args.suite else []


def present(args: argparse.Namespace) -> tuple[list[Selection], list[HarnessError]]:
    """The selections whose data is there, and why the others' is not.

    Raises:
        HarnessError: nothing was selected or is there; without ``--skip-absent``, not all is.
    """
    selections = _chosen(args)
    if args.images:
        return own_selections(args.images, _flags.columns(args), args.reals), []
    present: list[Selection] = []
    absent: list[HarnessError] = []
    for selection in selections:
        try:
            find_root(selection.suite, args.data_root)
            present.append(selection)
        except DataError as error:
            if not args.skip_absent:
                raise
            absent.append(error)
    if not present:
        raise absent[0]
    return present, absent


_Failure = tuple[DetectorSpec, str, HarnessError]


def _set_up(wanted: Sequence[_jobs.Chosen], preprocess: str) -> tuple[list[Job], list[_Failure]]:
    """Jobs whose weights load, and why the others' do not; raises if a single one's do not."""
    jobs: list[Job] = []
    failures: list[_Failure] = []
    for chosen in wanted:
        try:
            jobs.append(_jobs.job(chosen, preprocess))
        except HarnessError as error:
            if len(wanted) == 1:
                raise
            log.warning("%s: %s", chosen.spec.name, error.message)
            failures.append((chosen.spec, chosen.token, error))
    return jobs, failures


def _failed_records(
    failures: Sequence[_Failure],
    selections: Sequence[Selection],
    out: Path,
    protocol: Protocol,
) -> list[RunRecord]:
    """The saved records of detectors whose weights do not load."""
    records = [
        dataclasses.replace(
            recording.failed_record(spec, token, selection.suite, error),
            protocol="" if protocol.is_default else protocol.name,
        )
        for spec, token, error in failures
        for selection in selections
    ]
    for record in records:
        save_record(out, record)
    return records


@contextlib.contextmanager
def engine(args: argparse.Namespace, asked: Request) -> Iterator[Engine]:
    """Who scores: this process, or the cluster that ``--ray`` names.

    Raises:
        UsageError: Ray is not installed, or nothing answers at the address.
    """
    settings = asked.settings
    if not args.ray:
        if args.allow_mixed:
            raise UsageError("--allow-mixed is for machines of a cluster", hint="--ray ADDRESS")
        yield Local(settings.compute, settings.config)
        return
    with connected(args.ray) as cluster:
        device = args.device
        if device == "auto":
            gpus = any(node.gpus for node in cluster.nodes())
            device = "cuda" if gpus else settings.compute.device.type
        compute = dataclasses.replace(
            settings.compute,
            workers=args.workers or default_cores(cluster),
            batch_size=args.batch_size or (1 if device == "cpu" else 32),
        )
        yield Dealing(cluster, compute, device, settings.config, allow_mixed=args.allow_mixed)


def counts(matrix: Matrix) -> str:
    """How many scores a run computed, and how many it found."""
    left_out = f", {matrix.skipped} left out as unreadable" if matrix.skipped else ""
    return f"{matrix.computed} scores computed{left_out}, {matrix.reused} were on disk"


def finish(args: argparse.Namespace, asked: Request, records: Sequence[RunRecord]) -> int:
    """Prints what failed and what is absent; 1 when a selected cell is missing or failed.

    With ``--skip-absent`` a subset without a folder is no failure, as long as anything is scored.
    """
    records = [*records, *asked.broken]
    for line in [*_failures(records, asked.selections), *map(str, asked.absent)]:
        print(line, file=sys.stderr)
    if args.method == "all":  # that is, all that can be run; what is asked for by name must
        records = [record for record in records if not _lacks_weights(record)]
    selections = asked.selections
    if args.skip_absent and args.suite:
        there = [_without_absent(selection, args.data_root) for selection in selections]
        if any(selection.subsets for selection in there):
            selections = tuple(there)
    return 1 if _failures(records, selections) else 0


def _without_absent(selection: Selection, data_root: Path | None) -> Selection:
    """The selection without the subsets that have no folder."""
    root = find_root(selection.suite, data_root)
    there = [s for s in selection.subsets if not s.folders or subset_folder(s, root)]
    return dataclasses.replace(selection, subsets=tuple(there))


def _lacks_weights(record: RunRecord) -> bool:
    return all(result.error.startswith("weights missing") for result in record.subsets)


def _failures(records: Sequence[RunRecord], selections: Sequence[Selection]) -> list[str]:
    """A line for each error among the selected cells, with the cells that it left empty."""
    chosen = {(s.suite.name, subset.name) for s in selections for subset in s.subsets}
    places: dict[tuple[str, str, str], list[str]] = {}
    for record in records:
        for result in record.subsets:
            cell = "/".join((record.suite, result.subset))
            if (record.suite, result.subset) in chosen and result.status not in ("ok", "partial"):
                key = (result.status, _treated(record), result.error)
                places.setdefault(key, []).append(cell)
    return [
        f"{status}: {detector} on {', '.join(cells)}: {error}"
        for (status, detector, error), cells in places.items()
    ]


def _treated(record: RunRecord) -> str:
    """The detector, with what was done to its images."""
    own = record.preprocess if record.preprocess != record.published_preprocess else ""
    return " after ".join(filter(None, (record.detector, own, record.perturbation)))
