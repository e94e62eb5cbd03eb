"""What an image's id says: its name, ending, suffix and scene; and the orders of lists of ids."""

from __future__ import annotations

import re
from functools import lru_cache

from harness.data.folders import class_of

_NUMBERS = re.compile(r"(\d+)", re.ASCII)


def base_name(name: str) -> str:
    """``horse/0_real/a.png`` -> ``a.png``."""
    return name.rpartition("/")[2]


def ending(name: str) -> str:
    """``a.b.PNG`` -> ``.png``; "" where the name has none."""
    _, dot, last = base_name(name).rpartition(".")
    return dot and dot + last.lower()


def suffix(name: str) -> str:
    """``cat_12_0.png`` -> ``_0``: what follows the last underscore; "" where there is none."""
    base = base_name(name)
    stem = base[: len(base) - len(ending(name))]
    _, line, last = stem.rpartition("_")
    return line and line + last


def scene(name: str) -> str:
    """The first folder that is no class folder: ``horse/0_real/a.png`` and ``0_real/horse/a.png``
    -> ``horse``; "" where there is none."""
    folders = name.split("/")[:-1]
    return next((folder for folder in folders if class_of(folder) is None), "")


@lru_cache(maxsize=256)
def lexicographic(ids: tuple[str, ...], base: bool = False) -> tuple[int, ...]:
    """Places of ids in the order of their characters: 1, 10, 2.

    Args:
        ids: of the images.
        base: of their base names instead; equal ones stay as they stand.
    """
    keys = [base_name(each) for each in ids] if base else ids
    return tuple(sorted(range(len(ids)), key=keys.__getitem__))


@lru_cache(maxsize=256)
def natural(ids: tuple[str, ...], base: bool = False) -> tuple[int, ...]:
    """Places of ids in the order of the numbers in them: 1, 2, 10; see :func:`lexicographic`."""
    keys = [_by_number(base_name(each) if base else each) for each in ids]
    return tuple(sorted(range(len(ids)), key=keys.__getitem__))


def _by_number(name: str) -> list[tuple[int, str]]:
    """Text and numbers take turns, so every second part of two names compares as numbers."""
    parts = _NUMBERS.split(name)
    return [(int(part), "") if odd % 2 else (0, part) for odd, part in enumerate(parts)]
