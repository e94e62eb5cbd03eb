"""lfm-bench: benchmarking and reproduction harness for detectors of AI-generated images.

``harness.load`` gives a detector that scores pictures, ``harness.evaluate`` runs test sets, and
``harness.records`` reads what runs have left, and ``harness.why`` says which condition makes a
number (docs/python.md, docs/why.md).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.python import Evaluation, LoadedDetector, evaluate, load, records, why

__version__ = "0.1.0"
__all__ = ["Evaluation", "LoadedDetector", "evaluate", "load", "records", "why"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    from harness import python  # here: it imports torch, which `--help` need not

    return getattr(python, name)
