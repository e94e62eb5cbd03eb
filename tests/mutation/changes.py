"""One-line changes of Python code that ought to make a test fail."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeGuard

SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
# Calls that change a value and not its type, as methods or functions; of two arguments one is left.
SHAPING = (
    *("abs", "clamp", "clip", "copy", "flip", "floor", "lower", "casefold", "max", "min", "mul"),
    *("normalise", "relu", "removeprefix", "removesuffix", "resolve", "reversed", "round", "set"),
    *("sigmoid", "sort", "sorted", "split", "sqrt", "square", "strip", "upper", "union"),
)
# What messages say, what types are and what is logged is not what numbers depend on.
SKIPPED = (ast.Raise, ast.JoinedStr, ast.Import, ast.ImportFrom, ast.Assert)
QUIET = ("log", "warnings", "bar", "print")


@dataclass(frozen=True, kw_only=True)
class Change:
    """One changed expression.

    Attributes:
        file: path in the checkout.
        function: its qualified name; "" at the top of the file.
        line: where it stands today; no part of its identity.
        start, end: columns, in bytes of UTF-8.
        old, new: text of the expression, before and after.
        number: which of several equal ones of the function, from 0.
    """

    file: str
    function: str
    line: int
    start: int
    end: int
    old: str
    new: str
    number: int = 0

    @property
    def identity(self) -> str:
        """Does not change when lines move."""
        which = f" #{self.number}" if self.number else ""
        return f"{self.file} {self.function}: {self.old} -> {self.new}{which}"

    def rank(self, seed: int) -> str:
        """Orders changes by chance, each by itself: an edit elsewhere draws no others."""
        return hashlib.sha256(f"{seed} {self.identity}".encode()).hexdigest()

    def applied(self, source: str) -> str:
        lines = source.splitlines(keepends=True)
        line = lines[self.line - 1].encode()
        changed = line[: self.start] + self.new.encode() + line[self.end :]
        lines[self.line - 1] = changed.decode()
        return "".join(lines)


def changes(file: str, source: str) -> list[Change]:
    """Every change of a file that stays on one line and leaves it valid."""
    found: list[Change] = []
    seen: dict[str, int] = {}
    for function, node, new in _of(ast.parse(source), ""):
        old = ast.get_source_segment(source, node)
        if old is None or "\n" in old or node.end_col_offset is None:
            continue
        change = Change(
            file=file, function=function, line=node.lineno, start=node.col_offset,
            end=node.end_col_offset, old=old, new=new,
        )  # fmt: skip
        number = seen[change.identity] = seen.get(change.identity, -1) + 1
        change = Change(**{**vars(change), "number": number})
        if _valid(change.applied(source)):
            found.append(change)
    return found


def _valid(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def _of(node: ast.AST, function: str) -> Iterator[tuple[str, ast.expr, str]]:
    """(function, expression, its new text) of everything below."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, SKIPPED) or _quiet(child):
                continue
            if _is_call(child):
                yield function, child.value, "None"
            inside = function
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                inside = f"{function}.{child.name}".lstrip(".")
            if isinstance(child, ast.expr):
                yield from ((function, child, new) for new in _changed(child))
            yield from _of(child, inside)


def _is_call(node: ast.AST) -> TypeGuard[ast.Expr]:
    """A call whose result nobody takes."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)


def _quiet(node: ast.AST) -> bool:
    """A call that tells people something."""
    return _is_call(node) and ast.unparse(node.value.func).split(".")[0] in QUIET


def _changed(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield _unparsed(ast.Compare(node.left, [SWAPS[type(node.ops[0])]()], node.comparators))
    elif isinstance(node, ast.BinOp) and type(node.op) in SWAPS:
        yield _unparsed(ast.BinOp(node.left, SWAPS[type(node.op)](), node.right))
    elif isinstance(node, ast.BoolOp):
        yield _unparsed(ast.BoolOp(SWAPS[type(node.op)](), node.values))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub, ast.Invert)):
        yield ast.unparse(node.operand)
    elif isinstance(node, ast.IfExp):
        yield _unparsed(ast.IfExp(node.test, node.orelse, node.body))
    elif isinstance(node, ast.Constant):
        yield from _other_constant(node.value)
    elif isinstance(node, ast.Call):
        yield from _without_call(node)


def _unparsed(node: ast.expr) -> str:
    return f"({ast.unparse(node)})"


def _other_constant(value: object) -> Iterator[str]:
    if isinstance(value, bool):
        yield repr(not value)
    elif isinstance(value, (int, float)):
        yield repr(value + 1)


def _without_call(node: ast.Call) -> Iterator[str]:
    """The value without what the call does to it, where it stays of its type."""
    if isinstance(node.func, ast.Attribute) and node.func.attr in SHAPING:
        yield ast.unparse(node.func.value)
    elif isinstance(node.func, ast.Name) and node.func.id in SHAPING:
        yield from (ast.unparse(argument) for argument in node.args[:2])
