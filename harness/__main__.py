"""``python -m harness COMMAND``: the commands are the public files of ``harness/commands/``."""

from __future__ import annotations

import codecs
import importlib
import io
import json
import logging
import os
import pkgutil
import signal
import sys
from pathlib import Path
from types import ModuleType

from harness import commands
from harness.commands._config import CommandLine
from harness.errors import HarnessError, output_error, unknown_name

INTERRUPTED = 130


def command_names() -> list[str]:
    """The names that can be typed after ``python -m harness``."""
    names = (info.name for info in pkgutil.iter_modules(commands.__path__))
    return sorted(name.replace("_", "-") for name in names if not name.startswith("_"))


def command_line(name: str) -> CommandLine:
    """The parser of a command's flags."""
    module = _module(name)
    parser = CommandLine(f"python -m harness {name}", module.HELP)
    module.add_arguments(parser)
    return parser


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"harness.commands.{name.replace('-', '_')}")


def _overview() -> str:
    lines = ["usage: python -m harness COMMAND [--help] ...", "", "commands:"]
    lines += [f"  {name:<10} {_module(name).HELP}" for name in command_names()]
    return "\n".join([*lines, "", "`python -m harness COMMAND --help` shows a command's flags."])


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


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        return 0
    name, *rest = arguments
    if name not in command_names():
        raise unknown_name("command", name, command_names())
    args = command_line(name).read(rest)
    code: int = _module(name).run(args)
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
