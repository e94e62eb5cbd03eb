"""A Ray cluster for the length of a run: one that is there, or a local one that ends with it."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import TextIO

from harness.checkpoints.presence import weights_dir
from harness.env import usable_cores
from harness.errors import HarnessError, UsageError
from harness.installed import CHECKOUT, install_hint

CONNECT_SECONDS = 20
"""How long an address may take to answer."""

LOCAL = "local"
"""Stands for an address: a cluster on this machine, for as long as the run lasts."""

OBJECT_STORE_BYTES = 100 << 20
"""Of a local cluster: scores are small, and images never travel."""

_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
_SETTINGS = b"\x04"
"""How a client of HTTP/2, which Ray speaks, begins, and the kind of frame that answers it."""

_ADDRESS_HINT = (
    "`ray start --head` prints the address (HOST:6379); on that machine `--ray auto` finds it; "
    "`--ray` alone starts a local cluster"
)


@dataclass(frozen=True)
class Node:
    """A machine of the cluster.

    Args:
        id: Ray's own.
        name: what messages call it.
        cores, gpus: that it offers to Ray.
    """

    id: str
    name: str
    cores: int
    gpus: int


class Cluster:
    """A cluster that this process is connected to.

    Args:
        ray: the library.
    """

    def __init__(self, ray: ModuleType) -> None:
        self.ray = ray

    def nodes(self) -> list[Node]:
        """The machines that are there now, by name."""
        found = [
            Node(
                id=each["NodeID"],
                name=f"{each['NodeManagerHostname']} ({each['NodeID'][:6]})",
                cores=int(each["Resources"].get("CPU", 0)),
                gpus=int(each["Resources"].get("GPU", 0)),
            )
            for each in self.ray.nodes()
            if each["Alive"]
        ]
        return sorted(found, key=lambda node: node.name)


def require_ray() -> ModuleType:
    """The library, told to send nothing home.

    Raises:
        UsageError: it is not installed.
    """
    if importlib.util.find_spec("ray") is None:
        raise UsageError(
            "--ray needs the extra 'ray', which is not installed",
            hint=f"{install_hint('ray')}; without it, --shard K/N deals a run to several machines",
        )
    # Ray reads these when it is imported.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_DEDUP_LOGS"] = "0"  # else what it did not say is said at exit
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    return ray


@contextlib.contextmanager
def connected(address: str = LOCAL, *, cores: int = 0) -> Iterator[Cluster]:
    """A cluster, left as it was found; a local one is stopped.

    Args:
        address: of a running cluster, ``HOST:PORT``, ``ray://HOST:PORT`` or ``auto``;
            :data:`LOCAL` starts one.
        cores: that a local one offers, 0 = those that this process may use.

    Raises:
        UsageError: Ray is not installed, or nothing answers at the address.
    """
    ray = require_ray()
    if ray.is_initialized():
        raise HarnessError("this process is connected to a Ray cluster already")
    if address not in (LOCAL, "auto"):
        _require_answer(address)
    with _quiet():
        try:
            with _own_sigterm(), contextlib.redirect_stdout(io.StringIO()):
                _init(ray, address, cores or usable_cores())
            yield Cluster(ray)
        finally:
            ray.shutdown()


def _init(ray: ModuleType, address: str, cores: int) -> None:
    # What is imported here is imported there, and what names places means the same.
    paths = [str(CHECKOUT or ""), os.environ.get("PYTHONPATH", "")]
    given = {name: value for name, value in os.environ.items() if name.startswith("LFM_")}
    given["LFM_WEIGHTS"] = str(weights_dir())  # workers run in another folder
    common = {
        "include_dashboard": False if address == LOCAL else None,
        "log_to_driver": False,
        "configure_logging": False,
        "logging_level": "ERROR",
        "runtime_env": {"env_vars": {**given, "PYTHONPATH": os.pathsep.join(filter(None, paths))}},
    }
    if address == LOCAL:
        # Reached from nowhere else: Ray runs what it is sent.
        ray.init(
            address="local",  # else one that runs here already is joined
            num_cpus=cores,
            object_store_memory=OBJECT_STORE_BYTES,
            _node_ip_address="127.0.0.1",
            **common,
        )
        return
    try:
        ray.init(address=address, **common)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"--ray {address}: no cluster: {reason}", hint=_ADDRESS_HINT) from error


def _require_answer(address: str) -> None:
    """UsageError where nobody listens: Ray itself tries for minutes and then says little."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f"--ray {address!r}: expected HOST:PORT or auto", hint=_ADDRESS_HINT)
    try:
        with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS) as line:
            line.settimeout(CONNECT_SECONDS)
            line.sendall(_HELLO)
            answer = line.recv(9)
    except TimeoutError:
        answer = b""
    except (OSError, OverflowError) as error:
        raise UsageError(f"--ray {address}: {error}", hint=_ADDRESS_HINT) from error
    if answer[3:4] != _SETTINGS and "RAY_USE_TLS" not in os.environ:
        raise UsageError(
            f"--ray {address}: no cluster answers within {CONNECT_SECONDS} s", hint=_ADDRESS_HINT
        )


@contextlib.contextmanager
def _own_sigterm() -> Iterator[None]:
    """Ray takes SIGTERM for itself; ours ends a run as Ctrl-C does, with everything kept."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)


class _Filtered(io.TextIOBase):
    """A stream without what Ray's own threads write of workers that ended: we count those."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        if threading.current_thread().name.startswith("ray_"):
            return len(text)
        return self.stream.write(text)

    def flush(self) -> None:
        self.stream.flush()

    def isatty(self) -> bool:
        return self.stream.isatty()

    def fileno(self) -> int:
        return self.stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.stream.encoding


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Filtered(before[0]), _Filtered(before[1])
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def default_cores(cluster: Cluster) -> int:
    """Cores of a worker where nobody says: all of the smallest node, at most 8.

    More share one network, and wait more for each other.
    """
    cores = [node.cores for node in cluster.nodes() if node.cores]
    return min([8, *cores])
