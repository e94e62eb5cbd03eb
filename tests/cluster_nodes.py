"""A Ray cluster of several nodes on this machine, each with a bad day of its own if need be."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.conftest import CHECKOUT

KILLER = "001.png"
"""The image that a node of the day ``killer`` does not survive."""

# Read by every Python that starts with its folder on PYTHONPATH: the workers of a node.
SITE = f"""
import os, pathlib, signal, sys, time
day = os.environ.get("BAD_DAY", "")
read = pathlib.Path.read_bytes

def read_bytes(self):
    if self.suffix == ".png" and day == "no data":
        raise FileNotFoundError(2, "No such file or directory", str(self))
    if self.suffix == ".png" and day == "other data":
        return read(self) + b"x"
    if self.suffix == ".png" and day == "slow":
        time.sleep(0.1)
    if self.suffix == ".png" and day == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    killer = self.name == {KILLER!r} and self.parent.name == "1_fake"
    if killer and sys._getframe(2).f_code.co_name == "read_bytes":  # not the first look at it
        if day == "killer":
            os.kill(os.getpid(), signal.SIGKILL)
        if day == "memory":
            raise MemoryError
    return read(self)

pathlib.Path.read_bytes = read_bytes
if day == "other torch":
    import torch
    torch.__version__ = "0.0.1"
if day == "detector":
    import torch
    from baselines.chance import ChanceDetector
    score = ChanceDetector.score

    def refuse(self, images):
        if float(images[0, 0, 0, 0]) < 0.05:
            raise ValueError("a bad day")
        return score(self, images)

    ChanceDetector.score = refuse
"""


class Nodes:
    """The cluster, without any node that works before one is added."""

    def __init__(self, cluster: Any) -> None:
        self.cluster = cluster
        self.address = str(cluster.address)

    @contextlib.contextmanager
    def with_days(self, *days: str, cores: int = 1) -> Iterator[list[Any]]:
        """A node for each text, "" for an ordinary one; they are gone afterwards."""
        nodes = []
        try:
            for day in days:
                env = {"BAD_DAY": day, "OMP_NUM_THREADS": "1"}
                nodes.append(self.cluster.add_node(num_cpus=cores, env_vars=env, **SMALL))
            yield nodes
        finally:
            for node in nodes:
                with contextlib.suppress(Exception):  # one that a test has ended
                    self.cluster.remove_node(node, allow_graceful=False)


SMALL = {"object_store_memory": 80 << 20, "include_dashboard": False}


@contextlib.contextmanager
def nodes(folder: Path) -> Iterator[Nodes]:
    """A cluster whose head does no work; nothing of it outlives the block.

    Args:
        folder: for the file that gives nodes their days.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    (folder / "sitecustomize.py").write_text(SITE)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), str(CHECKOUT)])
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **SMALL})
    try:
        yield Nodes(cluster)
    finally:
        cluster.shutdown()
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
