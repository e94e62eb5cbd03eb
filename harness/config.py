"""``--config FILE.toml``: a file of flags; what is typed on the command line wins over it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_type_hints

from harness.api import Recipe
from harness.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


# `true` and `false` are values of these flags; every other flag of that kind is a bare one.
_VALUED = {
    f"--{name.replace('_', '-')}" for name, kind in get_type_hints(Recipe).items() if kind is bool
}


def expand(arguments: list[str]) -> list[str]:
    """Replaces ``--config FILE`` by the flags in FILE, put first so that typed flags override.

    A key is a flag's name without dashes in front (``batch-size = 4``). A list is joined with
    commas. ``true`` is a bare flag and ``false`` none, but for a recipe's field that is true or
    false: ``balanced = false`` is ``--balanced=false``. Unknown keys and bad values are refused by
    the command's parser.

    Raises:
        UsageError: the file is absent, not TOML, or holds a table.
    """
    if "--config" not in arguments:
        return arguments
    at = arguments.index("--config")
    if at + 1 == len(arguments):
        raise UsageError("--config needs a file", hint="--config settings.toml")
    path = Path(arguments[at + 1])
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"config {path} cannot be read: {error}") from error
    flags: list[str] = []
    for key, value in values.items():
        if isinstance(value, dict):
            raise UsageError(
                f"config {path}: [{key}] is a table", hint="write flags as key = value"
            )
        flag = f"--{key.replace('_', '-')}"
        if isinstance(value, bool) and flag in _VALUED:
            flags.append(f"{flag}={str(value).lower()}")
        elif isinstance(value, bool):
            flags += [flag] if value else []
        else:
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            flags += [f"{flag}={text}"]
    return flags + arguments[:at] + arguments[at + 2 :]
