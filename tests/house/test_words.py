"""Retired words are not used again, and each class has its own name."""

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

from tests.house import tree

_WORDS = tree.table("retired_words.toml")
_ALLOWED = tree.table("exceptions.toml")["retired_words"]
_PHRASES = {re.compile(pattern, re.IGNORECASE): instead for pattern, instead in _WORDS["phrases"].items()}
_LUA_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _replacement(identifier: str, path: Path) -> tuple[str, str] | None:
    """Return the retired word in a name and the word to use instead, or None."""
    return _retired(identifier, is_lua=path.suffix == ".lua", in_a_test=_is_test(path))


@cache
def _is_test(path: Path) -> bool:
    return tree.name(path).startswith("tests/") and not tree.name(path).startswith("tests/kit/")


@cache  # the same names occur many times
def _retired(identifier: str, *, is_lua: bool, in_a_test: bool) -> tuple[str, str] | None:
    bare = identifier.strip("_").lower()
    if is_lua and bare in _WORDS["lua"]:
        return bare, _WORDS["lua"][bare]
    if bare in _WORDS["names"] and not in_a_test:
        return bare, _WORDS["names"][bare]
    for prefix, instead in _WORDS["prefixes"].items():
        if bare.startswith(prefix):
            return prefix, instead
    for part in tree.parts(identifier):
        if part in _WORDS["parts"]:
            return part, _WORDS["parts"][part]
    return None


def _names(path: Path) -> list[tuple[int, str]]:
    if path.suffix == ".py":
        return [(1, path.stem), *tree.definitions(path)]
    lines = enumerate(tree.lua_code(path), 1)
    return [(1, path.stem), *((number, word) for number, line in lines for word in _LUA_NAME.findall(line))]


def test_no_name_is_a_retired_word() -> None:
    problems = {
        f"{tree.name(path)}:{line}: {identifier} (instead of {retired[0]}: {retired[1]})"
        for path in [*tree.modules(tree.CODE), *tree.scripts()]
        for line, identifier in _names(path)
        if (retired := _replacement(identifier, path)) and f"{tree.name(path)}: {retired[0]}" not in _ALLOWED
    }
    assert not problems, "\n".join(sorted(problems))


def test_no_sentence_contains_a_retired_phrase() -> None:
    problems = {
        f"{tree.name(path)}:{line}: {phrase[0]!r} (instead: {instead})"
        for path in [*tree.DOCUMENTS, *tree.modules((*tree.PRODUCT, "benchmarks")), *tree.scripts()]
        for line, text in tree.prose(path)
        for pattern, instead in _PHRASES.items()
        if (phrase := pattern.search(text)) and f"{tree.name(path)}: {phrase[0].lower()}" not in _ALLOWED
    }
    assert not problems, "\n".join(sorted(problems))


def test_no_two_classes_share_a_name() -> None:
    files_of = defaultdict(list)
    for path in tree.modules():
        for node in tree.tree(path).body:
            if isinstance(node, ast.ClassDef):
                files_of[node.name].append(tree.name(path))
    assert {name: files for name, files in files_of.items() if len(files) > 1} == {}


def test_every_exception_is_still_needed() -> None:
    unneeded = []
    for entry in _ALLOWED:
        file, _, word = entry.partition(": ")
        path = tree.ROOT / file
        used = path.exists() and (
            any(retired[0] == word for _, identifier in _names(path) if (retired := _replacement(identifier, path)))
            or any(word in text.lower() for _, text in tree.prose(path))
        )
        if not used:
            unneeded.append(entry)
    assert unneeded == []
