"""Reads the fields of a response: from JSON by their paths, or from a text by a regular expression."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from times_dispatch.unreadable_json import UNREADABLE_JSON

JsonPath = tuple[str, ...]

MAX_TEXT_BYTES: Final = 4_096
"""The number of bytes of a response in which a regular expression is searched."""

FIELD_NAMES: Final = ("state", "code", "id", "parts", "text")
_ESCAPED_ASCII: Final = b"\\u00"
"""The beginning of an escaped character, which may be a letter of a key: the same key in other bytes."""
_DECISIVE: Final = ("state", "code", "text")
"""The fields that determine the outcome."""


class _AmbiguousKey(Exception):
    """An object of JSON has two different values for one key."""


class ResponseFields(msgspec.Struct, frozen=True, gc=False):
    """The fields of a response, with the types in the response; a missing field is None."""

    state: Any = None
    code: Any = None
    id: Any = None
    parts: Any = None
    text: Any = None


def parse_path(text: str) -> JsonPath:
    """Parse a JSON pointer (``/messages/0/id``, RFC 6901) or a dotted path (``messages.0.id``); empty: no field."""
    if text.startswith("/"):
        return tuple(step.replace("~1", "/").replace("~0", "~") for step in text[1:].split("/"))
    return tuple(text.split(".")) if text else ()


def json_reader(paths: Mapping[str, str]) -> Callable[[bytes], ResponseFields | None]:
    """Return a function that reads the fields of a JSON response.

    The function returns None if the response is no object or array, or has two different values for one key, because
    the provider's meaning is then uncertain.
    """
    parsed_paths = {name: parse_path(path) for name, path in paths.items() if path}
    keys = [f'"{path[-1]}"'.encode() for name, path in parsed_paths.items() if name in _DECISIVE]
    decode = _top_level_decoder(parsed_paths) or msgspec.json.decode

    def read(body: bytes) -> ResponseFields | None:
        try:
            document = decode(body)
        except UNREADABLE_JSON:
            document = _decode_leniently(body)
        if (any(body.count(key) > 1 for key in keys) or _ESCAPED_ASCII in body) and _is_ambiguous(body):
            return None
        if isinstance(document, dict | list):
            return ResponseFields(**{name: _follow(document, path) for name, path in parsed_paths.items()})
        return document if isinstance(document, msgspec.Struct) else None  # type: ignore[return-value]

    return read


def _top_level_decoder(paths: Mapping[str, JsonPath]) -> Callable[[bytes], Any] | None:
    """Return a faster decoder, which takes half the time, if all fields are keys of the top object."""
    keys = {name: path[0] for name, path in paths.items()}
    are_plain = all(
        len(path) == 1 and path[0].isprintable() and not set('"\\') & set(path[0]) for path in paths.values()
    )
    if not are_plain or len(set(keys.values())) < len(keys):
        return None
    # The class is not a subclass of ResponseFields, because inherited fields cannot be renamed.
    fields = [(name, Any, None) for name in keys]
    absent = {name: None for name in FIELD_NAMES if name not in keys}
    struct = msgspec.defstruct("ResponseFields", fields, rename=keys, namespace=absent, gc=False)
    return msgspec.json.Decoder(struct).decode


def text_reader(pattern: str) -> Callable[[bytes], ResponseFields | None]:
    """Return a function that reads the named groups of a regular expression, and returns None without a match."""
    search = re.compile(pattern).search

    def read(body: bytes) -> ResponseFields | None:
        match = search(body[:MAX_TEXT_BYTES].decode(errors="replace").lstrip("\ufeff"))
        return ResponseFields(**match.groupdict()) if match else None

    return read


def _decode_leniently(body: bytes) -> Any:
    """Decode JSON with a byte order mark or invalid UTF-8; return None for anything else."""
    try:
        return msgspec.json.decode(body.decode(errors="replace").lstrip("\ufeff"))
    except UNREADABLE_JSON:
        return None


def _is_ambiguous(body: bytes) -> bool:
    """Return whether an object in a JSON document has a key twice, with different values."""
    try:
        json.loads(body.decode(errors="replace").lstrip("\ufeff"), object_pairs_hook=_unambiguous)
    except _AmbiguousKey:
        return True
    except (ValueError, RecursionError):
        return False
    return False


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if any(fields[key] != value for key, value in pairs):
        raise _AmbiguousKey
    return fields


def _follow(node: Any, path: JsonPath) -> Any:
    for step in path:
        if isinstance(node, dict):
            node = node.get(step)
        elif isinstance(node, list) and step.isascii() and step.isdecimal() and int(step) < len(node):
            node = node[int(step)]
        else:
            return None
    return node
