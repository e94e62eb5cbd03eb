"""Another checkpoint of the method."""

from __future__ import annotations

from collections.abc import Iterator

from harness.diagnosis.condition import Absent, Condition, RowFacts, View

NPR_14 = "chuangchuangtan/NPR-DeepfakeDetection issue 14"

UNREGISTERED = {
    "npr": {
        "NPR_GenImage_sdv4.pth": f"{NPR_14} reports numbers of it; no address of it is known here. "
        "Where you have the file: --method npr:PLACE/NPR_GenImage_sdv4.pth",
    }
}
"""Detector -> file that people report numbers of and that is not registered -> what it takes."""

SEEN = {
    "npr": "chuangchuangtan/NPR-DeepfakeDetection issues 4, 14 and 17: several checkpoints of one "
    "name",
    "dda": "roy-ch/Dual-Data-Alignment: an older file gives other scores",
}


def conditions(about: RowFacts) -> Iterator[Condition | Absent]:
    """Every other registered checkpoint, and those that only threads know of."""
    spec = about.spec
    for label, missing in about.tokens.items():
        if label == about.label:
            continue
        name = f"weights({label})"
        if missing:
            fetch = f"python -m harness weights --fetch {spec.name}:{label}"
            why = missing if fetch in missing else f"{missing}: {fetch}"
            yield Absent(name=name, family="weights", why=why)
            continue
        yield Condition(
            name=name,
            family="weights",
            changes=f"the checkpoint is {spec.name}:{label}.",
            act=View(weights=label),
            do=f"Say which checkpoint was scored, by its sha256: --method {spec.name}:{label}.",
            seen=SEEN.get(spec.name, ""),
        )
    for file, why in UNREGISTERED.get(spec.name, {}).items():
        yield Absent(name=f"weights({file})", family="weights", why=why)
