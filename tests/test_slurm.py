"""The array script of docs/scale.md, run with a stub ``sbatch`` that runs its tasks one by one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from harness.__main__ import main
from tests import program
from tests.conftest import CHECKOUT, write_images
from tests.docs_rules import fences

STUB = """#!/bin/bash
last=$(grep -oP '^#SBATCH --array=1-\\K[0-9]+' "$1")
for task in $(seq "$last"); do
    SLURM_ARRAY_TASK_ID=$task SLURM_ARRAY_TASK_COUNT=$last bash "$1" || exit 1
done
"""


def _predictions(out: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(out)): p.read_bytes() for p in (out / "predictions").rglob("*.parquet")
    }


def test_an_array_job_leaves_what_one_run_leaves(tmp_path: Path) -> None:
    write_images(tmp_path / "photos/0_real", range(8))
    write_images(tmp_path / "photos/1_fake", range(8, 16))
    (script,) = [f for f in fences(CHECKOUT / "docs/scale.md") if f.name == "score.sbatch"]
    text = script.text.replace("lfm,chance", "chance").replace("1-8", "1-3")
    (tmp_path / "score.sbatch").write_text(text)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/sbatch").write_text(STUB)
    (tmp_path / "bin/sbatch").chmod(0o755)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    folder = Path(sys.executable).parent
    (tmp_path / ".venv/bin/activate").write_text(f'export PATH="{folder}:$PATH"\n')
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1"}
    done = program.run(str(tmp_path / "bin/sbatch"), "score.sbatch", cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert not _predictions(tmp_path / "runs/slurm")
    assert len(list((tmp_path / "runs/slurm").rglob("*.journal"))) == 3
    flags = ["--method", "chance", "--images", str(tmp_path / "photos")]
    assert main(["run", *flags, "--out", str(tmp_path / "whole")]) == 0
    assert main(["run", *flags, "--out", str(tmp_path / "runs/slurm")]) == 0
    assert _predictions(tmp_path / "runs/slurm") == _predictions(tmp_path / "whole")
