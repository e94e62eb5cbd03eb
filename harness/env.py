"""What a run ran on: versions, processor, threads, device, commit; kept with every record.

Authors name "another environment" first among the reasons for numbers that do not reproduce: an
image library decodes a JPEG with other last bits, a processor sums in another order.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np
import PIL
import PIL.features
import torch

import harness
from harness.errors import UsageError
from harness.installed import CHECKOUT

DEVICES = ("auto", "cpu", "cuda", "mps")
_LIMITS = (
    "ATEN_CPU_CAPABILITY",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
)
_VECTOR_FLAGS = ("amx", "asimd", "avx", "f16c", "fma", "neon", "sse4", "sve")


def environment(device: torch.device | None = None) -> dict[str, str]:
    """Name -> text of everything around the code that can move a number.

    Args:
        device: where the networks run; None = the CPU.

    Returns:
        - interpreter and libraries: ``python``, ``platform``, ``torch``, ``torchvision``, ``timm``,
          ``numpy``, ``scipy``, ``scikit_learn``, ``onnxruntime``;
        - what decodes: ``pillow``, ``libjpeg_turbo``, ``zlib``, ``webp``;
        - what multiplies: ``blas`` (torch's), ``onednn``, ``numpy_blas``, ``cuda`` (with cuDNN);
        - the processor: ``cpu``, ``cpu_flags`` (its vector instructions), ``cpu_capability`` (those
          that torch uses), ``cpu_limits`` (environment variables that hold libraries back);
        - ``threads`` and ``interop_threads`` of torch, ``device``, and ``commit`` of the checkout
          (with ``-dirty`` when tracked files are changed); an installed copy has its version there.

        "" where not known or not there. No times, paths or host names: equal environments give
        equal texts.
    """
    device = device or torch.device("cpu")
    return {
        **_unchanging(),
        "threads": str(torch.get_num_threads()),
        "interop_threads": str(torch.get_num_interop_threads()),
        "device": device_name(device),
        "cuda": _cuda_version() if device.type == "cuda" else "",
    }


def usable_cores() -> int:
    """Cores that this process may use, 1 or more; those of the machine where nobody tells."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_memory() -> int | None:
    """Bytes of resident memory at this process's peak; None where the system does not tell."""
    # Not getrusage on Linux: there a new process begins with its parent's peak.
    status = Path("/proc/self/status")
    if status.is_file():
        found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE)
        return 1024 * int(found.group(1)) if found else None
    try:
        import resource  # Windows has none
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def current_memory() -> int | None:
    """Bytes of this process's resident memory; None where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return None
    found = re.search(r"^VmRSS:\s+(\d+) kB", status.read_text(), re.MULTILINE)
    return 1024 * int(found.group(1)) if found else None


def forget_peak_memory() -> bool:
    """Makes :func:`peak_memory` begin anew; whether the system can do that (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def load_average() -> float | None:
    """How many processes wanted to compute in the last minute; None where nobody tells."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # Windows
        return None


def resolve_device(text: str) -> torch.device:
    """``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps`` -> a device that is there.

    Raises:
        UsageError: an unknown name, or a device that this machine or this torch does not have.
    """
    kind, _, index = text.partition(":")
    if kind not in DEVICES or (index and (kind != "cuda" or not index.isdigit())):
        raise UsageError(f"unknown device {text!r}", hint=f"--device {'|'.join(DEVICES)}")
    if kind == "auto":
        kind = _best_kind()
    count = _device_count(kind)
    if not count:
        raise UsageError(f"device {text!r}: {_why_absent(kind)}", hint="--device cpu")
    if index and int(index) >= count:
        raise UsageError(
            f"device {text!r}: this machine has {count}, numbered from 0", hint="--device cuda:0"
        )
    return torch.device(f"{kind}:{index}" if index else kind)


def device_name(device: torch.device) -> str:
    """``cpu``, ``mps`` or, with CUDA, ``cuda (the card's name)``."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return device.type


def _best_kind() -> str:
    return next((kind for kind in ("cuda", "mps") if _device_count(kind)), "cpu")


def _device_count(kind: str) -> int:
    if kind == "cuda":
        return torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "mps":
        return int(torch.backends.mps.is_available())
    return 1


def _why_absent(kind: str) -> str:
    if not getattr(torch.backends, kind).is_built():
        return f"torch {torch.__version__} is built without {kind}"
    return f"torch {torch.__version__} finds no {kind} device on this machine"


@cache
def _unchanging() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "torch": torch.__version__,
        "torchvision": _version("torchvision"),
        "timm": _version("timm"),
        "numpy": np.__version__,
        "scipy": _version("scipy"),
        "scikit_learn": _version("scikit-learn"),
        "onnxruntime": _version("onnxruntime"),
        "pillow": PIL.__version__,
        "libjpeg_turbo": PIL.features.version("libjpeg_turbo") or "",
        "zlib": PIL.features.version("zlib") or "",
        "webp": PIL.features.version("webp") or "",
        "blas": _built_with(r"Math Kernel Library Version \S+|OpenBLAS[^\n]*|BLAS_INFO=\w+"),
        "onednn": _built_with(r"MKL-DNN v(\S+)"),
        "numpy_blas": _numpy_blas(),
        "cpu": _cpu_field("model name") or platform.processor() or platform.machine(),
        "cpu_flags": " ".join(
            flag
            for flag in sorted((_cpu_field("flags") or _cpu_field("Features")).split())
            if flag.startswith(_VECTOR_FLAGS)
        ),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cpu_limits": " ".join(f"{n}={os.environ[n]}" for n in _LIMITS if n in os.environ),
        "commit": _commit(CHECKOUT) if CHECKOUT else f"lfm-bench {harness.__version__}",
    }


def _version(package: str) -> str:
    # Asked of the package's metadata: importing torchvision takes a second and may fail.
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _built_with(pattern: str) -> str:
    """A library that torch was built with, from its build report; a group is what is kept."""
    found = re.search(pattern, torch.__config__.show())
    return found.group(found.lastindex or 0).strip() if found else ""


def _numpy_blas() -> str:
    """What NumPy multiplies with, and scikit-learn through it: ``scipy-openblas 0.3.30``."""
    blas = np.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', '')} {blas.get('version', '')}".strip()


def _cuda_version() -> str:
    cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    return f"{torch.version.cuda}, cuDNN {cudnn}"


def _cpu_field(name: str) -> str:
    """A line of Linux's ``/proc/cpuinfo``, the first processor's; "" elsewhere."""
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == name:
                return value.strip()
    return ""


def _commit(checkout: Path) -> str:
    if not (checkout / ".git").exists():
        return ""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(
            command,
            cwd=checkout,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()
