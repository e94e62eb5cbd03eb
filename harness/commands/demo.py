"""``python -m harness demo``: a local page where one drops a picture."""

from __future__ import annotations

import argparse
import importlib.util
import logging

from harness.commands import _flags, _jobs
from harness.demo import server
from harness.demo.verdicts import Contestant
from harness.engine.scorer import Compute, make_job
from harness.errors import HarnessError, UsageError
from harness.registry import detectors as registry

HELP = "a local web page: drop a picture, see scores, decisions, maps and what its file says"

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--method", default="all", help=f"{_jobs.METHOD_HELP} (default: all whose weights are here)"
    )
    _jobs.add_weights(parser)
    parser.add_argument(
        "--port",
        type=_flags.count,
        help=f"0 = any free one (default: {server.PORT}, or the next free one)",
    )
    parser.add_argument(
        "--host", default=server.LOOPBACK[0], help="address to serve at (default: %(default)s)"
    )
    _flags.add_compute(parser)


def run(args: argparse.Namespace) -> int:
    """Serves until Ctrl-C (exit code 130)."""
    if importlib.util.find_spec("gradio") is None:
        raise UsageError(
            "demo needs the extra 'demo', which is not installed",
            hint=registry.install_hint("demo"),
        )
    chosen = _jobs.selected(args)
    with server.listen(args.host, args.port) as bound, server.prepare() as folder:
        contestants, absent = ready(chosen, _jobs.compute(args))
        host, port = bound.getsockname()[:2]
        if host not in server.LOOPBACK:
            log.warning("--host %s: everyone who reaches this machine can use the page", args.host)
        elif args.port is None and port != server.PORT:
            log.warning("port %d is taken, this is the next free one", server.PORT)
        print(f"http://{f'[{host}]' if ':' in host else host}:{port}/", flush=True)
        log.info("Ctrl-C stops it")
        server.serve(bound, folder, contestants, absent)
    return 0


def ready(chosen: list[_jobs.Chosen], compute: Compute) -> tuple[list[Contestant], list[str]]:
    """The chosen detectors that can be had, controls last, and a line on each of the others.

    Raises:
        HarnessError: of a single detector that cannot be had; of several, when none can.
    """
    contestants: list[Contestant] = []
    absent: list[str] = []
    for row in sorted(chosen, key=lambda row: row.spec.family == "control"):
        try:
            contestants.append(Contestant(make_job(*row), compute))
        except HarnessError as error:
            if len(chosen) == 1:
                raise
            absent.append(f"{error.message}: {error.hint}" if error.hint else error.message)
            log.info("left out: %s", absent[-1])
            continue
        log.info("%s is ready", contestants[-1].job.label)
    if not contestants:
        raise UsageError(
            "none of the detectors can be had: " + "; ".join(absent),
            hint="python -m harness weights --fetch lfm",
        )
    return contestants, absent
