"""What a stage of the build is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step of the build.

    Attributes:
        name: unique name.
        needs: names of the stages whose arrays it reads.
        run: function of the cache folder and those arrays by stage name.
        parameters: everything else that decides the result, as JSON-able values.
        revision: raised by hand when the stage's code changes its result.
    """

    name: str
    needs: tuple[str, ...]
    run: Callable[[Path, Mapping[str, Arrays]], Arrays]
    parameters: Mapping[str, object] = field(default_factory=dict)
    revision: int = 1
