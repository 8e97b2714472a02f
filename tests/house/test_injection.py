"""Limits, clocks and randomness are arguments of the code, so that tests do not patch them."""

import ast
from collections.abc import Iterator

import pytest

from tests.house import tree

_REASONS = tree.table("exceptions.toml")["patches"]
_CLOCKS = frozenset({"time", "time_ns", "monotonic", "perf_counter", "sleep", "now", "today"})
_RANDOM = frozenset(
    {"random", "randbelow", "randint", "choice", "uniform", "shuffle", "token_hex", "token_bytes", "uuid4"}
)


def _is_injectable(name: str) -> bool:
    return name.strip("_").isupper() or name in _CLOCKS | _RANDOM


def _patched(file: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the name of each constant, clock and source of randomness that a file replaces."""
    nodes = tuple(ast.walk(file))
    imported = {
        (alias.asname or alias.name).partition(".")[0]
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    for node in nodes:
        match node:
            case ast.Call(func=ast.Attribute(attr="setattr" | "patch" | "object") | ast.Name(id="setattr" | "patch")):
                yield from ((node.lineno, name) for name in _replaced_by(node.args, imported))
            case ast.Attribute(value=ast.Name(id=owner), attr=name, ctx=ast.Store()) if owner in imported:
                if _is_injectable(name):
                    yield node.lineno, name


def _replaced_by(arguments: list[ast.expr], imported: set[str]) -> Iterator[str]:
    match arguments:
        case [ast.Constant(value=str(path)), *_] if _is_injectable(path.rpartition(".")[2]):
            yield path
        case [_, ast.Constant(value=str(name)), *_] if _is_injectable(name):
            yield name
        case [ast.Name(id=module), ast.Name(id=name), *_] if module in imported and module.islower():
            yield f"{module}.<{name}>"


def test_no_test_patches_a_constant_a_clock_or_randomness() -> None:
    patched = {
        tree.name(path): [f"{tree.name(path)}:{line}: {name}" for line, name in lines]
        for path in tree.modules(("tests", "benchmarks"))
        if (lines := list(_patched(tree.tree(path))))
    }
    assert [line for file, lines in patched.items() if file not in _REASONS for line in lines] == []
    assert [file for file in _REASONS if file not in patched] == []


@pytest.mark.parametrize(
    "line",
    [
        'monkeypatch.setattr(ledger, "_WAIT_S", 1)',
        'patch.setattr("callbacks.links.directory._MAX_BYTES", 1)',
        'monkeypatch.setattr("kombu.utils.functional.sleep", note)',
        'monkeypatch.setattr(time, "monotonic", clock)',
        "from workers import upkeep\nmonkeypatch.setattr(upkeep, name, value)",
        "from workers import upkeep\nupkeep.EVERY_S = 1",
        "import secrets\nsecrets.randbelow = chosen",
        'setattr(upkeep, "EVERY_S", 1)',
    ],
)
def test_each_way_to_patch_is_found(line: str) -> None:
    assert len(list(_patched(ast.parse(line)))) == 1


@pytest.mark.parametrize(
    "line",
    ['monkeypatch.setattr(BatchLeases, "take", slow)', "monkeypatch.setattr(owner, name, fail)", "self.LIMIT = 1"],
)
def test_a_call_that_fails_on_purpose_is_no_patch(line: str) -> None:
    assert list(_patched(ast.parse(line))) == []
