"""``python -m harness completion SHELL``: what makes the tab key complete ``lfm-bench``."""

from __future__ import annotations

import argparse

HELP = "print a script that lets bash, zsh or fish complete `lfm-bench` commands and flags"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell to print it for")


def run(args: argparse.Namespace) -> int:
    from harness.commands import _completion

    return _completion.run(args)
