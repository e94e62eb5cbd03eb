"""``python -m harness COMMAND``: the commands are the public files of ``harness/commands/``."""

from __future__ import annotations

import argparse
import importlib
import io
import logging
import os
import pkgutil
import signal
import sys
from types import ModuleType

from harness import commands
from harness.config import expand
from harness.errors import HarnessError, unknown_name

INTERRUPTED = 130


def command_names() -> list[str]:
    """The names that can be typed after ``python -m harness``."""
    names = (info.name for info in pkgutil.iter_modules(commands.__path__))
    return sorted(name.replace("_", "-") for name in names if not name.startswith("_"))


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"harness.commands.{name.replace('-', '_')}")


def _overview() -> str:
    lines = ["usage: python -m harness COMMAND [--help] ...", "", "commands:"]
    lines += [f"  {name:<10} {_module(name).HELP}" for name in command_names()]
    return "\n".join([*lines, "", "`python -m harness COMMAND --help` shows a command's flags."])


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit code; see ``harness/errors.py`` for the codes."""
    arguments = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        # Names of files may hold bytes that no encoding has; they are escaped, not fatal.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if not sys.stderr.isatty():
        # In a log file a bar is a line every ten seconds, not ten a second (tqdm reads this).
        os.environ.setdefault("TQDM_MININTERVAL", "10")
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        return 0
    name, *rest = arguments
    if name not in command_names():
        return _report(unknown_name("command", name, command_names()))
    module = _module(name)
    parser = argparse.ArgumentParser(f"python -m harness {name}", description=module.HELP)
    module.add_arguments(parser)
    parser.add_argument("--config", metavar="FILE", help="a TOML file of flags; typed flags win")
    try:
        rest = expand(rest)
    except HarnessError as error:
        return _report(error)
    return call(module, parser.parse_args(rest))


def call(module: ModuleType, args: argparse.Namespace) -> int:
    """Runs a command's ``run`` and turns errors raised on purpose into exit codes."""
    # A plain kill is treated as Ctrl-C: locks are released and what is done is kept.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code: int = module.run(args)
        sys.stdout.flush()
        return code
    except HarnessError as error:
        return _report(error)
    except KeyboardInterrupt:
        print("\nstopped; run the same command again to go on from here", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) left; a second flush at exit must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _report(error: HarnessError) -> int:
    print(f"error: {error}", file=sys.stderr)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
