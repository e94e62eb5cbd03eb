"""The work of ``demo``."""

from __future__ import annotations

import argparse
import importlib.util
import logging

from harness.commands import _jobs
from harness.demo import LOOPBACK, PORT, server
from harness.demo.verdicts import Contestant
from harness.engine.scorer import Compute, make_job
from harness.errors import HarnessError, UsageError
from harness.registry import detectors as registry

log = logging.getLogger(__name__)


def run(args: argparse.Namespace) -> int:
    if importlib.util.find_spec("gradio") is None:
        raise UsageError(
            "demo needs the extra 'demo', which is not installed",
            hint=registry.install_hint("demo"),
        )
    chosen = _jobs.selected(args)
    with server.listen(args.host, args.port) as bound, server.prepare() as folder:
        contestants, absent = ready(chosen, _jobs.compute(args))
        host, port = bound.getsockname()[:2]
        if host not in LOOPBACK:
            log.warning("--host %s: everyone who reaches this machine can use the page", args.host)
        elif args.port is None and port != PORT:
            log.warning("port %d is taken, this is the next free one", PORT)
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
