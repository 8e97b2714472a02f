"""The regular expressions of the project, texts that are hard for each, and the growth of the CPU time they take.

``python -m tests.kit.regular_expressions`` imports the project's modules and prints each expression with its origin.
"""

import ast
import importlib
import json
import math
import os
import pkgutil
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import FrameType
from typing import Any, Final

PACKAGES: Final = ("times_dispatch", "console", "callbacks", "workers", "producers")
ROOT: Final = Path(__file__).parents[2]
CALLS: Final = frozenset({"search", "match", "fullmatch", "sub", "subn", "split", "findall", "finditer"})
_ALL_CALLS: Final = frozenset({"search", "match", "fullmatch"})
_COMPILES: Final = CALLS | {"compile"}
_STEPS: Final = 4_000_000
"""The steps that a quadratic expression takes for the first text; the length of the text follows from them."""
_QUICK_S: Final = 0.0015
"""An expression that takes no longer for the first text is not quadratic."""
_SLOW_S: Final = 0.001
"""An expression that takes longer for an eighth of the first text is measured with shorter texts."""
_MAX_GROWTH: Final = 3.0
"""By how much the time may grow for twice the length; it grows by 4 if it is quadratic, and by 2 if it is linear."""
_MAX_S: Final = 1.0
_TRIES: Final = 3
_LONG: Final = 200
"""A repetition with a lower maximum length takes a bounded time at each position."""
_FEW: Final = 8
_CHOICES: Final = 4
_MAX_UNIT: Final = 200
_MAX_PAIRS: Final = 80
"""The maximum number of pairs of a beginning and a unit that are tried; an expression of many words has more."""
_ENDS: Final = ("\x01!", "", " @\n")
"""The ends of hard texts: characters that few expressions match, none, and characters that hosts and words exclude."""
_parser: Any = importlib.import_module("re._parser")


@dataclass(frozen=True, slots=True)
class Expression:
    """A regular expression of one line of the source, with the calls that the code makes."""

    origin: str
    pattern: str | bytes
    flags: int
    calls: frozenset[str]


@dataclass(frozen=True, slots=True)
class Site:
    """A call of the module ``re`` in the source, the name that gets the expression, and a pattern that stands there."""

    origin: str
    function: str
    name: str
    enclosing: str
    constant: str | bytes | None


def sites(path: Path) -> Iterator[Site]:
    """Yield each line of a file where an expression is compiled or used by its text."""
    tree = ast.parse(path.read_text())
    origin = path.relative_to(ROOT) if path.is_relative_to(ROOT) else Path(path.name)
    names, functions = dict[ast.AST, str](), list[tuple[int, int, str]]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            names[node.value] = node.targets[0].id
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            names[node.value] = node.target.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            functions.append((node.lineno, node.end_lineno or node.lineno, node.name))
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=function), args=[first, *_]) if (
                function in _COMPILES
            ):
                constant = first.value if isinstance(first, ast.Constant) else None
                within = [name for begin, end, name in functions if begin <= node.lineno <= end]
                assert constant is None or isinstance(constant, str | bytes)
                yield Site(
                    f"{origin}:{node.lineno}", function, names.get(node, ""), within[-1] if within else "", constant
                )


def calls_of(name: str, sources: Iterable[str]) -> frozenset[str]:
    """Return the calls of the expression with a name; all calls if the code also passes the expression on."""
    collected = set[str]()
    for source in sources:
        if name not in source:
            continue
        tree = ast.parse(source)
        called = dict[ast.AST, str]()
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and (node.attr in CALLS or node.attr in {"pattern", "flags"}):
                called[node.value] = node.attr
        for node in ast.walk(tree):
            match node:
                case ast.Name(id=other_name, ctx=ast.Load()) | ast.Attribute(attr=other_name) if other_name == name:
                    collected |= {called[node]} if node in called else _ALL_CALLS
    return frozenset(collected & CALLS) or _ALL_CALLS


def expressions(built: dict[str, tuple[str | bytes, int]]) -> tuple[list[Expression], list[str]]:
    """Return the expressions of all modules, and the places of expressions that nothing shows.

    Args:
        built: for expressions that a function builds, an example of the pattern and its flags, by ``FILE:FUNCTION``.
    """
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    sources = {path: path.read_text() for path in paths}
    compiled = _compiled_at_import()
    collected, unknown = list[Expression](), list[str]()
    for path in paths:
        for site in sites(path) if "re." in sources[path] else ():
            texts = [sources[path]] if site.name.startswith("_") else sources.values()
            if site.function != "compile":
                calls = frozenset({site.function})
            else:
                calls = calls_of(site.name, texts) if site.name else _ALL_CALLS
            patterns = compiled.get(site.origin, [])
            if not patterns and site.constant is not None:
                patterns = [(site.constant, 0)]
            if not patterns and (example := built.get(f"{site.origin.rpartition(':')[0]}:{site.enclosing}")):
                patterns = [example]
            if not patterns:
                unknown.append(f"{site.origin} {site.enclosing}")
            collected += [Expression(site.origin, pattern, flags, calls) for pattern, flags in patterns]
    return collected, unknown


def _compiled_at_import() -> dict[str, list[tuple[str | bytes, int]]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.kit.regular_expressions"]
    printed = subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    compiled = dict[str, list[tuple[str | bytes, int]]]()
    for origin, pattern, is_bytes, flags in json.loads(printed.stdout.splitlines()[-1]):
        compiled.setdefault(origin, []).append((pattern.encode("latin-1") if is_bytes else pattern, flags))
    return compiled


def _print_compiled() -> None:
    """Import the modules, and print their expressions: file and line, pattern, whether bytes, flags."""
    compiled = dict[tuple[str, str, bool, int], None]()
    original: Any = re._compile  # type: ignore[attr-defined]  # all functions of the module call it

    def note(pattern: Any, flags: int) -> Any:
        result = original(pattern, flags)
        frame: FrameType | None = sys._getframe(2)
        path = Path(frame.f_code.co_filename) if frame else ROOT
        if frame and path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in PACKAGES:
            is_bytes = isinstance(result.pattern, bytes)
            text = result.pattern.decode("latin-1") if is_bytes else result.pattern
            compiled[f"{path.relative_to(ROOT)}:{frame.f_lineno}", text, is_bytes, int(flags)] = None
        return result

    re._compile = note  # type: ignore[attr-defined]
    for package in PACKAGES:
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if module.name.endswith("__main__"):
                continue
            try:
                importlib.import_module(module.name)
            except SystemExit:  # a process without settings: its expressions, if any, are then missing
                continue
    print(json.dumps(list(compiled)))  # noqa: T201


def hard_texts(pattern: str | bytes, flags: int) -> list[str]:
    """Return texts that are hard for an expression, from the parts of the expression itself.

    Each has the form ``BEGIN<NUL>UNIT<NUL>END``; ``written`` repeats the unit.
    """
    tree = _parser.parse(pattern, flags)
    characters = sorted(_characters(tree))
    pairs = product(characters, repeat=2) if len(characters) <= _FEW else ()
    units = [("", unit) for unit in (*characters, *map("".join, pairs), *_beginnings(tree, characters))]
    for begin, body in _repeats(tree, ""):
        bodies = [_sample(body, choice, characters) for choice in range(_CHOICES)]
        units += [(text, unit) for text in (begin, "") for unit in bodies]
    allowed = [(begin, unit) for begin, unit in dict.fromkeys(units) if 0 < len(unit) < _MAX_UNIT]
    chosen = allowed[:: 1 + len(allowed) // _MAX_PAIRS]
    return [f"{begin}\x00{unit}\x00{end}" for begin, unit in chosen for end in _ENDS]


def written(hard: str, length: int) -> str:
    """Return a text of a length with the unit of a hard text, once its beginning and once its end."""
    begin, unit, end = hard.split("\x00")
    return begin + unit * max(2, length // len(unit)) + end


def _characters(tree: Any) -> set[str]:
    """Return the characters that an expression names, and one of each kind that it names."""
    collected = set[str]()
    for code, argument in _nodes(tree):
        match str(code):
            case "LITERAL" | "NOT_LITERAL":
                collected.add(chr(argument))
            case "RANGE":
                collected.add(chr(argument[0]))
            case "CATEGORY":
                collected.add({"DIGIT": "0", "SPACE": " "}.get(str(argument).rpartition("_")[2], "a"))
            case "ANY":
                collected |= {"a", "\n"}
            case "NEGATE":
                collected |= {"a", " "}
    return (collected or {"a"}) - {"\x00"}


def _nodes(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yield all operations of a parsed expression at any depth."""
    for code, argument in tree:
        yield code, argument
        for part in _parts(code, argument):
            yield from _nodes(part)


def _parts(code: Any, argument: Any) -> list[Any]:
    parts = list[Any]()
    match str(code):
        case "IN" | "ATOMIC_GROUP":
            parts = [argument]
        case "BRANCH":
            parts = list(argument[1])
        case "SUBPATTERN":
            parts = [argument[3]]
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            parts = [argument[2]]
        case "ASSERT" | "ASSERT_NOT":
            parts = [argument[1]]
        case "GROUPREF_EXISTS":
            parts = [part for part in argument[1:] if part is not None]
    return parts


def _is_long(tree: Any) -> bool:
    """Return whether an expression has a repetition whose length is hardly bounded."""
    return any("REPEAT" in str(code) and argument[1] >= _LONG for code, argument in _nodes(tree))


def _repeats(tree: Any, begin: str) -> Iterator[tuple[str, Any]]:
    """Yield the body of each long repetition, and a text that stands before it."""
    for code, argument in tree:
        if "REPEAT" in str(code) and argument[1] >= _LONG:
            yield begin, argument[2]
        if str(code) != "IN":
            for part in _parts(code, argument):
                yield from _repeats(part, begin)
        begin += _sample([(code, argument)], 0, [])


def _beginnings(tree: Any, characters: list[str]) -> Iterator[str]:
    """Yield texts that an expression with long repetitions begins to match, up to each of its parts."""
    if not _is_long(tree):
        return
    for choice in range(2):
        text = ""
        for operation in tree:
            text += _sample([operation], choice, characters)
            yield text
    for code, argument in tree:
        if str(code) != "IN":
            for part in _parts(code, argument):
                yield from _beginnings(part, characters)


def _sample(tree: Any, choice: int, characters: list[str]) -> str:
    """Return a text that an expression matches, as far as this is plain; *choice* selects among its alternatives."""
    text = ""
    for code, argument in tree:
        match str(code):
            case "LITERAL":
                text += chr(argument)
            case "NOT_LITERAL" | "ANY":
                allowed = [character for character in characters if argument is None or ord(character) != argument]
                text += allowed[choice % len(allowed)] if allowed else "b"
            case "IN":
                text += _member(argument, choice, characters)
            case "BRANCH":
                text += _sample(argument[1][choice % len(argument[1])], choice, characters)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                text += _sample(argument[2], choice, characters) * max(argument[0], 1 - choice % 2)
            case "SUBPATTERN" | "ATOMIC_GROUP":
                text += _sample(_parts(code, argument)[0], choice, characters)
            case "ASSERT" if argument[0] < 0:
                text += _sample(argument[1], choice, characters)
    return text.replace("\x00", "")


def _member(items: Any, choice: int, characters: list[str]) -> str:
    tree = _parser.parse("a")
    tree.data = [(_parser.IN, items)]
    single: Any = importlib.import_module("re._compiler").compile(tree)
    allowed = [character for character in [*characters, "a", "0", " ", "-", "~", "é"] if single.fullmatch(character)]
    return allowed[choice % len(allowed)] if allowed else ""


def growth(expression: Expression) -> str:
    """Return the text and the times of the call that takes longer than in proportion; an empty text if none does."""
    compiled = re.compile(expression.pattern, expression.flags)
    for hard in hard_texts(expression.pattern, expression.flags):
        for name in sorted(expression.calls):
            if fault := _grows(_call(compiled, name), hard):
                return f"{expression.origin} {name}() of {expression.pattern!r}: {hard!r}: {fault}"
    return ""


def _call(compiled: Any, name: str) -> Callable[[str], object]:
    is_bytes = isinstance(compiled.pattern, bytes)
    arguments: tuple[str | bytes, ...] = ((b"" if is_bytes else ""),) if name in {"sub", "subn"} else ()
    method = getattr(compiled, name)

    def call(text: str) -> object:
        result = method(*arguments, text.encode("latin-1", "replace") if is_bytes else text)
        return sum(1 for _ in result) if name == "finditer" else result

    return call


def _grows(call: Callable[[str], object], hard: str) -> str:
    unit = len(hard.split("\x00")[1])
    length = math.isqrt(2 * _STEPS * unit)
    times = list[float]()
    with _limited():
        try:
            for short in (16, 64, 256):
                call(written(hard, short))
            before_s = min(_cpu_s(call, written(hard, length // 8)) for _ in range(2))
            if before_s > _SLOW_S:
                length //= 8
            elif _cpu_s(call, written(hard, length)) < max(_QUICK_S, 8 * _MAX_GROWTH * before_s):
                return ""
            for tries in range(1, _TRIES + 1):
                times = [min(_cpu_s(call, written(hard, length * by)) for _ in range(tries)) for by in (1, 2, 4)]
                if max(times[1] / times[0], times[2] / times[1]) < _MAX_GROWTH:
                    return ""
        except TimeoutError:
            return f"more than {_MAX_S:.0f} s"
    return ", ".join(f"{seconds * 1000:.1f} ms" for seconds in times) + f" for {length:,} characters, twice, 4 times"


def _cpu_s(call: Callable[[str], object], text: str) -> float:
    before_s = time.thread_time()
    call(text)
    return time.thread_time() - before_s


@contextmanager
def _limited() -> Iterator[None]:
    """Raise TimeoutError in the block after ``_MAX_S`` of CPU time: an expression may take for ever."""

    def end(*_: object) -> None:
        raise TimeoutError

    previous = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, _MAX_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)


if __name__ == "__main__":
    _print_compiled()
