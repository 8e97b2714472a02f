"""The project's files, parsed once, for the checks."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PRODUCT = ("producers", "workers", "callbacks", "console", "times_dispatch")
CODE = (*PRODUCT, "benchmarks", "tests")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "benchmarks/README.md"])

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def name(path: Path) -> str:
    """Return a file's path relative to the root, with slashes."""
    return path.relative_to(ROOT).as_posix()


def modules(folders: tuple[str, ...] = PRODUCT) -> list[Path]:
    """Return all Python files in these folders of the root and in their subfolders."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def scripts() -> list[Path]:
    """Return all Lua files."""
    return sorted((ROOT / "times_dispatch").rglob("*.lua"))


@cache
def tree(path: Path) -> ast.Module:
    """Return a Python file's syntax tree."""
    return ast.parse(path.read_text("utf-8"))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Return all nodes of a Python file's syntax tree."""
    return tuple(ast.walk(tree(path)))


@cache
def table(file: str) -> dict[str, Any]:
    """Return a TOML file of this folder."""
    return tomllib.loads((Path(__file__).parent / file).read_text("utf-8"))


def parts(identifier: str) -> list[str]:
    """Split ``BatchReady`` or ``batch_ready`` into ``["batch", "ready"]``."""
    return [part for part in _CAMEL.sub("_", identifier).lower().split("_") if part]


@cache
def definitions(path: Path) -> tuple[tuple[int, str], ...]:
    """Return every name that a Python file defines, with its line."""
    return tuple(_definitions(path))


_DEFINING = frozenset(
    [
        ast.FunctionDef,
        ast.AsyncFunctionDef,
        ast.ClassDef,
        ast.arg,
        ast.Name,
        ast.Attribute,
        ast.ExceptHandler,
        ast.alias,
    ]
)


def _definitions(path: Path) -> Iterator[tuple[int, str]]:
    for node in nodes(path):
        if type(node) not in _DEFINING:
            continue
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr
            case ast.ExceptHandler(name=str(caught)):
                yield node.lineno, caught
            case ast.alias(asname=str(alias)):
                yield 1, alias
            case _:
                pass


def lua_code(path: Path) -> list[str]:
    """Return a script's lines without comments and without the contents of strings."""
    lines = []
    for line in path.read_text("utf-8").splitlines():
        without_strings = re.sub(r"'[^']*'|\"[^\"]*\"", "''", line)
        lines.append(without_strings.partition("--")[0])
    return lines


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Yield all lines of a document, or the lines of a program that contain strings or comments."""
    lines = path.read_text("utf-8").splitlines()
    if path.suffix == ".md":
        yield from enumerate(lines, 1)
    elif path.suffix == ".py":
        yield from _comments(lines)
        for node in nodes(path):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for number, line in enumerate(node.value.splitlines()):
                    yield node.lineno + number, line
    else:
        yield from _comments(lines)


def _comments(lines: list[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, 1):
        if comment := re.search(r"(?:^|\s)(?:#|--) (.*)", line):
            yield number, comment[1]
