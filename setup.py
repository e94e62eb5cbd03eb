"""The packages of a wheel; pyproject.toml says everything else."""

import shutil

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py


class BuildAnew(build_py):
    """Without what an earlier build left: a detector whose file is gone would be found again."""

    def run(self) -> None:
        """Copies the packages into an empty folder."""
        if not self.editable_mode:
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


setup(
    packages=[
        *find_packages(
            include=["harness", "harness.*", "lfm", "lfm.*", "baselines", "baselines.*"],
            exclude=["harness.suites.mini.builder", "harness.suites.mini.builder.*"],
        ),
        "harness.tables",
    ],
    package_dir={"harness.tables": "tables"},
    cmdclass={"build_py": BuildAnew},
)
