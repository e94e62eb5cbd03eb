"""What starts the programs of other tests."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from tests import program


@pytest.mark.parametrize("number", program.INHERITED)
def test_a_signal_that_the_runner_ignores_is_not_ignored(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        done = program.run("bash", "-c", f"kill -{int(number)} $$; sleep 0.1; echo ignored")
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)
    assert (done.returncode, done.stdout) == (-number, "")


def test_nothing_is_left_of_a_program_that_started_another() -> None:
    reader, writer = os.pipe()
    with program.started("bash", "-c", "sleep 900 & echo begun; wait", stdout=writer):
        assert os.read(reader, 100) == b"begun\n"
    os.close(writer)
    assert os.read(reader, 100) == b""  # the last of those who could write has gone
    os.close(reader)


def test_every_test_starts_programs_so() -> None:
    own = re.compile(r"subprocess\.(run|Popen|call|check_\w+)\(|os\.(system|fork|popen)\(")
    files = set(Path(__file__).parent.rglob("*.py")) - {Path(program.__file__), Path(__file__)}
    assert not [str(path) for path in files if own.search(path.read_text(encoding="utf-8"))]
