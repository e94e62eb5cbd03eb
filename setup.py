"""The packages of a wheel; pyproject.toml says everything else."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(
            include=["harness", "harness.*", "lfm", "lfm.*", "baselines", "baselines.*"],
            exclude=["harness.suites.mini.builder", "harness.suites.mini.builder.*"],
        ),
        "harness.tables",
    ],
    package_dir={"harness.tables": "tables"},
)
