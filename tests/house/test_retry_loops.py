"""A call that failed is repeated by ``times_dispatch.retry`` and ``callbacks.retry_loop``, not by loops of its own."""

import ast

import pytest

from tests.house import tree

_REASONS = tree.table("exceptions.toml")["retry_loops"]
_WAITS = frozenset({"sleep", "wait"})


def _is_retry_loop(node: ast.AST) -> bool:
    """Whether a loop catches errors and waits."""
    if not isinstance(node, ast.While | ast.For | ast.AsyncFor):
        return False
    inner = list(ast.walk(node))
    catches = any(isinstance(each, ast.Try) and each.handlers for each in inner) or "suppress(" in ast.unparse(node)
    called = (each.func for each in inner if isinstance(each, ast.Call))
    return catches and any(
        (isinstance(name, ast.Attribute) and name.attr in _WAITS) or (isinstance(name, ast.Name) and name.id in _WAITS)
        for name in called
    )


def test_only_files_with_a_reason_have_a_loop_that_catches_errors_and_waits() -> None:
    files = {
        tree.name(path) for path in tree.modules(tree.PRODUCT) if any(_is_retry_loop(node) for node in tree.nodes(path))
    }
    assert sorted(files - set(_REASONS)) == []
    assert sorted(set(_REASONS) - files) == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("while True:\n    try:\n        call()\n    except OSError:\n        await clock.sleep(1)", True),
        ("for _ in range(3):\n    with suppress(OSError):\n        call()\n    sleep(1)", True),
        ("while not stop.is_set():\n    await clock.wait(stop, 1)", False),
        ("for key in keys:\n    try:\n        call(key)\n    except OSError:\n        failed.append(key)", False),
        ("while waits:\n    try:\n        await event.wait()\n    finally:\n        end()", False),
    ],
)
def test_a_retry_loop_catches_and_waits(code: str, expected: bool) -> None:
    assert any(map(_is_retry_loop, ast.walk(ast.parse(code)))) is expected
