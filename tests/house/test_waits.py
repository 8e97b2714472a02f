"""Tests wait for events, or move a fake clock; they do not sleep until something has probably happened."""

import ast
from collections.abc import Iterator

import pytest

from tests.house import tree

_REASONS = tree.table("exceptions.toml")["sleeps"]
_MARKS = ("processes", "alone", "slow")
"""Marks of tests that ``make fast`` leaves out."""
_NOT_FAST = ("chaos", "end_to_end", "failover", "fuzz", "hosts", "pictures", "simulation", "soak", "upgrade")
"""Folders whose tests start processes, or run on the simulation's own clock."""


def _is_marked(decorators: list[ast.expr]) -> bool:
    return any(f"mark.{mark}" in ast.unparse(each) for each in decorators for mark in _MARKS)


def _is_sleep(call: ast.Call) -> bool:
    """Whether a call waits on the system's clock; ``sleep(0)`` only lets other tasks run."""
    match call:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="asyncio" | "time"), attr="sleep"), args=[length, *_]):
            return not (isinstance(length, ast.Constant) and length.value == 0)
    return False


def _sleeps(node: ast.AST, *, polls: bool = False) -> Iterator[int]:
    """Yield the line of each sleep that is not in a loop which ends when its condition is met."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                if not _is_marked(child.decorator_list):
                    yield from _sleeps(child)
            case ast.Assign(targets=[ast.Name(id="pytestmark")]) if _is_marked([child.value]):
                return
            case ast.While():
                yield from _sleeps(child, polls=polls or not isinstance(child.test, ast.Constant))
            case _:
                if isinstance(child, ast.Call) and _is_sleep(child) and not polls:
                    yield child.lineno
                yield from _sleeps(child, polls=polls)


def test_only_tests_with_a_reason_sleep() -> None:
    sleeps = {
        tree.name(path): [f"{tree.name(path)}:{line}" for line in lines]
        for path in tree.modules(("tests",))
        if path.relative_to(tree.ROOT).parts[1] not in _NOT_FAST and (lines := list(_sleeps(tree.tree(path))))
    }
    assert [line for file, lines in sleeps.items() if file not in _REASONS for line in lines] == []
    assert [file for file in _REASONS if file not in sleeps] == []


@pytest.mark.parametrize(
    "code",
    [
        "async def test() -> None:\n    await asyncio.sleep(0.05)",
        "def test() -> None:\n    time.sleep(length_s)",
        "async def test() -> None:\n    while True:\n        await asyncio.sleep(0.05)",
        "async def test() -> None:\n    for _ in range(3):\n        await asyncio.sleep(0.05)",
        "def test() -> None:\n    while cold:\n        async def serve() -> None:\n            await asyncio.sleep(1)",
    ],
)
def test_each_kind_of_sleep_is_found(code: str) -> None:
    assert len(list(_sleeps(ast.parse(code)))) == 1


@pytest.mark.parametrize(
    "code",
    [
        "async def test() -> None:\n    await asyncio.sleep(0)",
        "async def test() -> None:\n    while not done:\n        await asyncio.sleep(0.01)",
        "async def test(clock: FakeClock) -> None:\n    await clock.sleep(3)",
        "@pytest.mark.processes\ndef test() -> None:\n    time.sleep(1)",
        "pytestmark = pytest.mark.processes\ndef test() -> None:\n    time.sleep(1)",
    ],
)
def test_turns_polls_fake_clocks_and_tests_of_processes_are_no_sleeps(code: str) -> None:
    assert list(_sleeps(ast.parse(code))) == []
