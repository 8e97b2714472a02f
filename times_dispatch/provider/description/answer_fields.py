"""Where an answer says what: the values of interest, found in JSON by their paths, or in a text by a pattern."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

Steps = tuple[str, ...]

LONGEST_TEXT: Final = 4_096
"""Bytes of an answer in which a pattern is looked for."""

NAMES: Final = ("state", "code", "id", "parts", "text")


class JsonPaths(msgspec.Struct, frozen=True, gc=False):
    """Values as an answer gives them, of whatever type; None is absent."""

    state: Any = None
    code: Any = None
    id: Any = None
    parts: Any = None
    text: Any = None


def steps(path: str) -> Steps:
    """Read a path: a JSON pointer (``/messages/0/id``, RFC 6901) or dotted (``messages.0.id``); empty is nowhere."""
    if path.startswith("/"):
        return tuple(step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/"))
    return tuple(path.split(".")) if path else ()


def in_json(paths: Mapping[str, str]) -> Callable[[bytes], JsonPaths | None]:
    """Return what reads the fields of a JSON answer; it returns None for one that is neither object nor array."""
    ways = {name: steps(path) for name, path in paths.items() if path}
    decode = _at_the_top(ways) or msgspec.json.decode

    def read(body: bytes) -> JsonPaths | None:
        try:
            found = decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = _lenient(body)
        if isinstance(found, dict | list):
            return JsonPaths(**{name: _follow(found, way) for name, way in ways.items()})
        return found if isinstance(found, msgspec.Struct) else None  # type: ignore[return-value]

    return read


def _at_the_top(ways: Mapping[str, Steps]) -> Callable[[bytes], Any] | None:
    """Return a decoder straight to the fields, for objects that have them all at the top: half the time."""
    keys = {name: way[0] for name, way in ways.items()}
    are_plain = all(len(way) == 1 and way[0].isprintable() and not set('"\\') & set(way[0]) for way in ways.values())
    if not are_plain or len(set(keys.values())) < len(keys):
        return None
    # Not a subclass of Fields: inherited fields cannot be renamed.
    fields = [(name, Any, None) for name in keys]
    absent = {name: None for name in NAMES if name not in keys}
    return msgspec.json.Decoder(msgspec.defstruct("JsonPaths", fields, rename=keys, namespace=absent, gc=False)).decode


def in_text(pattern: str) -> Callable[[bytes], JsonPaths | None]:
    """Return what reads the named groups of a regular expression; it returns None where that is not found."""
    search = re.compile(pattern).search

    def read(body: bytes) -> JsonPaths | None:
        found = search(body[:LONGEST_TEXT].decode(errors="replace"))
        return JsonPaths(**found.groupdict()) if found else None

    return read


def _lenient(body: bytes) -> Any:
    """Read JSON whose text is not all UTF-8, or that has a byte order mark."""
    try:
        return msgspec.json.decode(body.decode(errors="replace").lstrip("\ufeff"))
    except (msgspec.DecodeError, RecursionError):
        return None


def _follow(found: Any, way: Steps) -> Any:
    for step in way:
        if isinstance(found, dict):
            found = found.get(step)
        elif isinstance(found, list) and step.isascii() and step.isdecimal() and int(step) < len(found):
            found = found[int(step)]
        else:
            return None
    return found
