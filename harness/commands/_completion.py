"""The work of ``completion``."""

from __future__ import annotations

import argparse
from pathlib import Path

import shtab

from harness.commands._catalogue import command_help, command_line, command_names

PROGRAM = "lfm-bench"


def run(args: argparse.Namespace) -> int:
    print(shtab.complete(_whole(), args.shell))
    return 0


def _whole() -> argparse.ArgumentParser:
    """All commands as one parser, which is what shtab reads; nothing is ever parsed with it."""
    whole = argparse.ArgumentParser(PROGRAM, allow_abbrev=False)
    groups = {"": whole.add_subparsers()}
    authors = groups[""].add_parser("dev", help="commands for authors", allow_abbrev=False)
    groups["dev"] = authors.add_subparsers()
    for name in command_names():
        group, _, last = name.rpartition(" ")
        line = command_line(name)
        _say_what_is_a_file(line)
        groups[group].add_parser(
            last, parents=[line], add_help=False, help=command_help(name), allow_abbrev=False
        )
    return whole


def _say_what_is_a_file(line: argparse.ArgumentParser) -> None:
    for action in line._actions:
        if action.type is Path or "FILE" in str(action.metavar):
            action.complete = shtab.FILE  # type: ignore[attr-defined]
