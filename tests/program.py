"""Starts programs for tests: nothing is inherited that changes them, and nothing is left of them.

A runner may have been started with Ctrl-C ignored (``nohup``, a job of a script): what it starts
would ignore it too. And a child that outlives its test takes cores and files from the next one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
HARNESS = (sys.executable, "-m", "harness")

DEADLINE_S = 900
"""Only for what would never end: on a loaded machine everything takes long."""

INHERITED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def started(*command: object, **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A running program, in the checkout and on one thread unless ``options`` say otherwise.

    When the block ends, the program and all that it has started are killed.

    Args:
        command: program and arguments.
        options: of ``subprocess.Popen``.
    """
    options = {"cwd": CHECKOUT, "env": {**os.environ, "OMP_NUM_THREADS": "1"}, **options}
    with _default_signals():
        child = subprocess.Popen([str(word) for word in command], start_new_session=True, **options)
    with child:
        try:
            yield child
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # nothing is left
                os.killpg(child.pid, signal.SIGKILL)


def run(*command: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """A program's whole run: exit code and, as text, what it wrote."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    with started(*command, **options) as child:
        output, errors = child.communicate(timeout=DEADLINE_S)
    return subprocess.CompletedProcess(child.args, child.returncode, output, errors)


@contextlib.contextmanager
def _default_signals() -> Iterator[None]:
    """What this process ignores, a program started now does not."""
    ignored = [number for number in INHERITED if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
