"""Every error the harness raises on purpose, and the exit code each ends the program with.

    HarnessError                 1   a cell failed, a number is off
    ├── UsageError               2   bad flag, unknown name, bad config key, bad preprocess text
    ├── DataError                3   data absent, layout wrong
    │   └── BadImageError        3   one file that cannot be decoded
    ├── WeightsError             3   wrong sha256, keys that do not fit
    │   └── WeightsMissingError  3   a checkpoint that is not there
    ├── DetectorError            4   a detector breaks its contract
    │   ├── InputSizeError       4   an image whose size the detector cannot take
    │   └── CannotScoreError     4   an image of a batch that a detector could not score
    ├── SchemaError              5   a record or prediction file of another schema, or damaged
    └── OutputError              6   the disk is full, read-only, or a file stands in the way

A message names the thing, what was found and what was expected; ``hint`` is what to type next.
"""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Callable, Iterable
from typing import TypeVar

Value = TypeVar("Value")

_SURROGATE = re.compile("[\ud800-\udfff]")


def printable(name: object) -> str:
    """``str(name)`` as text that can be printed and encoded, whatever bytes a file's name has.

    Python keeps a byte that is no UTF-8 as a lone surrogate, which no encoder takes. Here it is
    written ``\\xff``; text without such bytes is unchanged. Paths to open must stay as they are:
    what is printed, kept in a record or made part of an id goes through here.
    """
    return _SURROGATE.sub(_escaped, str(name))


def _escaped(found: re.Match[str]) -> str:
    byte = ord(found[0]) - 0xDC00
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else f"\\u{ord(found[0]):04x}"


class HarnessError(Exception):
    """Base of all errors raised on purpose.

    Args:
        message: what was wrong: the thing's name, got, expected.
        hint: the next command to type or thing to do; printed on a line of its own.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = printable(message)
        self.hint = printable(hint)
        super().__init__(self.message)

    def __reduce__(self) -> tuple[Callable[..., HarnessError], tuple[object, ...]]:
        # Another process gets it whole: pickle itself would give __init__ the message alone.
        return _restored, (type(self), self.__dict__)

    def __str__(self) -> str:
        return f"{self.message}\n  next: {self.hint}" if self.hint else self.message


def _restored(kind: type[HarnessError], state: dict[str, object]) -> HarnessError:
    error = kind.__new__(kind, state["message"])
    error.__dict__.update(state)
    return error


class UsageError(HarnessError):
    """The command line, a config file or a text given by the user is wrong."""

    exit_code = 2


class DataError(HarnessError):
    """Test data is absent or not laid out as expected."""

    exit_code = 3


class BadImageError(DataError):
    """One image file cannot be decoded. ``name`` is the file, ``reason`` says why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = printable(name)
        self.reason = printable(reason)


class WeightsError(HarnessError):
    """A checkpoint is absent, damaged, or does not fit the network."""

    exit_code = 3


class WeightsMissingError(WeightsError):
    """A checkpoint is not there: a published one not fetched, or a training not done."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"weights missing: {message}", hint=hint)


class DetectorError(HarnessError):
    """A detector breaks its contract (shape, finiteness, determinism)."""

    exit_code = 4


class InputSizeError(DetectorError):
    """An image has a size that a detector cannot take."""


class CannotScoreError(DetectorError):
    """A detector could not score one image of a batch, and says so in place of a number.

    Args:
        index: of the image in the batch.
        reason: why, in words.
    """

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"image {index + 1}: {reason}")
        self.index = index
        self.reason = printable(reason)


class SchemaError(HarnessError):
    """A stored record or prediction file has another schema or is damaged."""

    exit_code = 5


class OutputError(HarnessError):
    """The disk does not take what is to be written; what was written before is kept."""

    exit_code = 6


_ROOM = "make room, then run the same command again: what is on disk is not computed again"
_ELSEWHERE = "make the folder writable for this user, or name another one"
_IN_THE_WAY = (
    "a file stands where a folder is needed, or the reverse: move it, or name another path"
)
_SHORTER = "give the folder or the data a shorter name"
_NEXT = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _ROOM),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), _ELSEWHERE),
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST, errno.EISDIR), _IN_THE_WAY),
    errno.ENAMETOOLONG: _SHORTER,
}


def output_error(error: OSError) -> OutputError | None:
    """What a refusal of the disk is called; None for an OSError of another kind."""
    hint = _NEXT.get(error.errno or 0)
    if hint is None:
        return None
    place = error.filename or "a file or the standard output cannot be written"
    return OutputError(f"{place}: {error.strerror}", hint=hint)


def unknown_name(kind: str, name: str, known: Iterable[str], *, said: str = "") -> UsageError:
    """A UsageError for ``name`` that lists what exists and guesses what was meant.

    Args:
        kind: what it should be the name of.
        name: that was typed.
        known: the names that exist.
        said: what stands before the name (default: "unknown" and the kind).
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    guess = f"did you mean {close[0]!r}? " if close else ""
    return UsageError(
        f"{said or 'unknown ' + kind} {name!r}", hint=f"{guess}known: {', '.join(names)}"
    )


def attempt(function: Callable[..., Value], *arguments: object) -> Value | HarnessError:
    """The function's value, or as a HarnessError what it raised: one detector must not stop all.

    ``__cause__`` of the HarnessError is what nobody raised on purpose.
    """
    try:
        return function(*arguments)
    except HarnessError as error:
        return error
    except Exception as error:
        found = HarnessError(f"{type(error).__name__}: {error}")
        found.__cause__ = error
        return found
