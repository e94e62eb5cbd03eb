"""The command line of a command: typed flags, and ``--config FILE.toml``, a file of flags.

What is typed wins over the file. Nothing is guessed: a flag is written in full, and one that the
command does not know is an error, in the file as on the command line.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from harness.errors import UsageError, unknown_name
from harness.toml import tomllib

_FLAG = "--config"


class _WithDefaults(argparse.HelpFormatter):
    """Adds a flag's default to its help, where it has one and the help does not say it."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text = action.help
        value = action.default
        said = not text or "default" in text or text == argparse.SUPPRESS
        if said or action.nargs == 0 or value in (None, "", 0, []) or not action.option_strings:
            return text
        return f"{text} (default: {_flat(value)})"


def _flat(value: object) -> str:
    return str(value).replace("%", "%%")


class CommandLine(argparse.ArgumentParser):
    """The parser of one command: its flags, and ``--config``.

    Args:
        program: what is typed before the flags.
        description: one line for ``--help``.
    """

    def __init__(self, program: str, description: str = "") -> None:
        super().__init__(
            program, description=description, formatter_class=_WithDefaults, allow_abbrev=False
        )
        self.add_argument(_FLAG, metavar="FILE", help="a TOML file of flags; typed flags win")

    def read(self, arguments: Iterable[str]) -> argparse.Namespace:
        """The values of the flags.

        Raises:
            UsageError: an unknown flag, a flag of one value that is given twice, a wrong value, a
                config file that is absent or no list of flags.
        """
        typed, file = _without_config(list(arguments))
        given = [self._action(word) for word in _before_dashes(typed) if _is_flag(word)]
        self._refuse_repeated(given)
        flags = [] if file is None else self._flags(file, {action.dest for action in given})
        return self.parse_args(flags + typed)

    def error(self, message: str) -> NoReturn:
        """Raises UsageError: the caller prints it like every other error."""
        raise UsageError(message, hint=f"{self.prog} --help")

    def _action(self, word: str) -> argparse.Action:
        flag = word.partition("=")[0]
        if flag not in self._option_string_actions:
            raise unknown_name("flag", flag, self._long_flags())
        return self._option_string_actions[flag]

    def _long_flags(self) -> list[str]:
        return [flag for flag in self._option_string_actions if flag.startswith("--")]

    @staticmethod
    def _refuse_repeated(given: list[argparse.Action]) -> None:
        """Of a flag's two values one would be dropped without a word."""
        for action in given:
            repeatable = action.nargs == 0 or isinstance(action, argparse._AppendAction)
            if not repeatable and given.count(action) > 1:
                flag = action.option_strings[-1]
                raise UsageError(
                    f"{flag} takes one value and is given {given.count(action)} times",
                    hint=f"write {flag} once",
                )

    def _flags(self, file: Path, typed: set[str]) -> list[str]:
        """A config file's lines as flags.

        A key is a flag's name without dashes in front (``batch-size = 4``). A list is joined with
        commas or, where a flag can be given several times, is several flags. ``true`` is a bare
        flag and ``false`` none, but for a flag that takes a value: ``balanced = false`` is
        ``--balanced=false``. What is typed is left out.
        """
        flags: list[str] = []
        for key, value in _toml(file).items():
            flag = f"--{key.replace('_', '-')}"
            action = self._option_string_actions.get(flag)
            if action is None or flag in (_FLAG, "--help"):
                known = [name[2:] for name in self._long_flags() if name not in (_FLAG, "--help")]
                raise unknown_name(f"key of config {file}:", key, known)
            if action.dest in typed:
                continue
            if action.nargs == 0:
                if not isinstance(value, bool):
                    raise UsageError(
                        f"config {file}: {key} is true or false, got {value!r}",
                        hint=f"{key} = true",
                    )
                flags += [flag] if value else []
                continue
            several = isinstance(value, list) and isinstance(action, argparse._AppendAction)
            values = value if several else [value]
            flags += [f"{flag}={_text(file, key, each)}" for each in values]
        return flags


def _is_flag(word: str) -> bool:
    # A text with a space is a value that begins with dashes; so argparse takes it.
    return word.startswith("--") and " " not in word.partition("=")[0]


def _before_dashes(arguments: list[str]) -> list[str]:
    """Everything in front of ``--``, behind which nothing is a flag."""
    return arguments[: arguments.index("--")] if "--" in arguments else arguments


def _without_config(arguments: list[str]) -> tuple[list[str], Path | None]:
    """The arguments without ``--config FILE`` or ``--config=FILE``, and the file."""
    end = len(_before_dashes(arguments))
    kept: list[str] = []
    files: list[str] = []
    words = iter(arguments[:end])
    for word in words:
        flag, equals, value = word.partition("=")
        if flag != _FLAG:
            kept.append(word)
            continue
        file = value if equals else next(words, "")
        if not file or (file.startswith("--") and not equals):
            raise UsageError("--config needs a file", hint="--config settings.toml")
        files.append(file)
    if len(files) > 1:
        raise UsageError(
            f"--config is given {len(files)} times: {', '.join(files)}",
            hint="write all settings into one file",
        )
    return kept + arguments[end:], Path(files[0]) if files else None


def _toml(file: Path) -> dict[str, Any]:
    try:
        # Editors put a mark in front.
        return dict(tomllib.loads(file.read_text(encoding="utf-8-sig")))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"config {file} cannot be read: {error}",
            hint='a file of lines such as `method = "lfm"`',
        ) from error


def _text(file: Path, key: str, value: object) -> str:
    if isinstance(value, dict):
        raise UsageError(f"config {file}: [{key}] is a table", hint="write flags as key = value")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(_text(file, key, each) for each in value)
    return str(value)
