"""Which commands there are: the public files of this folder, and those of ``dev``."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from harness import commands
from harness.commands import dev
from harness.commands._config import CommandLine


def command_names() -> list[str]:
    """What can be typed after ``python -m harness``: ``run``, ..., and ``dev docs``, ..."""
    return [*_public(commands), *(f"dev {name}" for name in dev_names())]


def dev_names() -> list[str]:
    """What can be typed after ``python -m harness dev``."""
    return _public(dev)


def command_line(name: str) -> CommandLine:
    """The parser of a command's flags."""
    module = command_module(name)
    parser = CommandLine(f"python -m harness {name}", module.HELP)
    module.add_arguments(parser)
    return parser


def command_module(name: str) -> ModuleType:
    """The module of a command, with its ``HELP``, ``add_arguments`` and ``run``."""
    return importlib.import_module(f"harness.commands.{name.replace(' ', '.').replace('-', '_')}")


def command_help(name: str) -> str:
    """A command's ``HELP``, read from its text: importing every command would take seconds."""
    path = Path(commands.__path__[0], *name.replace("-", "_").split()).with_suffix(".py")
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "HELP":
            return str(ast.literal_eval(node.value))
    return ""


def _public(package: ModuleType) -> list[str]:
    found = (info for info in pkgutil.iter_modules(package.__path__) if not info.ispkg)
    return sorted(info.name.replace("_", "-") for info in found if not info.name.startswith("_"))
