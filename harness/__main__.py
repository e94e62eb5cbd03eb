"""``python -m harness COMMAND``: the commands are the public files of ``harness/commands/``."""

from __future__ import annotations

import codecs
import io
import json
import logging
import os
import signal
import sys
from pathlib import Path

from harness.commands._catalogue import (
    command_help,
    command_line,
    command_module,
    command_names,
    dev_names,
)
from harness.data import cache
from harness.errors import HarnessError, UsageError, output_error, unknown_name

INTERRUPTED = 130


def _overview(group: str = "") -> str:
    """The commands, or those of ``dev`` alone."""
    names = [name for name in command_names() if name.startswith("dev ") == bool(group)]
    width = max(map(len, names))
    lines = [f"usage: python -m harness {group}COMMAND [--help] ...", "", "commands:"]
    lines += [f"  {name:<{width}}  {command_help(name)}" for name in names]
    if not group:
        lines += [f"  {'dev':<{width}}  commands for authors: {', '.join(dev_names())}"]
    lines += ["", f"`python -m harness {group}COMMAND --help` shows a command's flags."]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit code; see ``harness/errors.py`` for the codes."""
    arguments = sys.argv[1:] if arguments is None else arguments
    _prepare_streams()
    if not sys.stderr.isatty():
        # In a log file a bar is a line every ten seconds, not ten a second (tqdm reads this).
        os.environ.setdefault("TQDM_MININTERVAL", "10")
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    # A plain kill is treated as Ctrl-C: locks are released and what is done is kept.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except HarnessError as error:
        return _report(error)
    except KeyboardInterrupt:
        print("\nstopped; run the same command again to go on from here", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader (head, less) left
        _give_up_stdout()
        return 0
    except OSError as error:
        refused = output_error(error)
        if refused is None:
            raise
        _give_up_stdout()
        return _report(refused)


def named(words: list[str]) -> tuple[str, list[str]]:
    """The command that is typed (``run``, ``dev docs``; "dev " where none is), its words."""
    group = words[:1] == ["dev"]
    rest = words[group:]
    return ("dev " if group else "") + "".join(rest[:1]), rest[1:]


def _run(arguments: list[str]) -> int:
    name, rest = named(arguments)
    if name in ("", "dev ") or name.endswith(("-h", "--help")):
        print(_overview("dev " if name.startswith("dev ") else ""))
        return 0
    if name not in command_names():
        if f"dev {name}" in command_names():
            raise UsageError(
                f"{name} is a command for authors", hint=f"python -m harness dev {name}"
            )
        raise unknown_name("command", name, command_names())
    args = command_line(name).read(rest)
    out = getattr(args, "out", None)
    cache.keep_in(Path(out) / "cache" if out else None)
    code: int = command_module(name).run(args)
    return code


def _prepare_streams() -> None:
    """Names that the terminal cannot show are escaped: they must not end a run at its last line.

    A file's name need not be UTF-8, and not every terminal shows every letter.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="harness.escape")


def _escape(error: UnicodeError) -> tuple[str, int]:
    """``\\u00e9`` for what the encoding lacks: in JSON too it then means the same letter."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


codecs.register_error("harness.escape", _escape)


def _give_up_stdout() -> None:
    """What is still in the buffer goes nowhere: a second failure at exit would only repeat this."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report(error: HarnessError) -> int:
    print(f"error: {error}", file=sys.stderr)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
