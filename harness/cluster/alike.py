"""Whether a machine of a cluster is as the driver's is."""

from __future__ import annotations

from collections.abc import Mapping

from harness.env import environment

_OWN = frozenset({"threads", "interop_threads", "platform", "cpu", "device", "cuda"})
"""What machines of one cluster may differ in: it moves no score by itself, or is not the driver's
to compare with (its GPU, which it may lack)."""


def versions() -> dict[str, str]:
    """What of this process's environment must be the driver's."""
    return {name: text for name, text in environment().items() if name not in _OWN}


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """``torch 2.4 (here 2.5), ...``; "" where there are none."""
    return ", ".join(
        f"{name} {there.get(name) or 'none'} (here {here.get(name) or 'none'})"
        for name in sorted({*here, *there})
        if here.get(name) != there.get(name)
    )
