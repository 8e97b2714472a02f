"""JSON documents whose strings are templates with placeholders.

Placeholders are only allowed inside strings, so that their values can be escaped. Numbers keep the form in which they
are written. A string may itself hold the text of such a document.
"""

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, NoReturn

from times_dispatch.provider.description.placeholders import PLACEHOLDER

MAX_DEPTH: Final = 50
"""The maximum depth of nested objects and arrays. The limit of the module json depends on the version of Python, and is
higher than the limit of the recursive functions here.
"""


class JsonTemplateInvalid(ValueError):
    """The text is no JSON template; the message has the reason and none of the text's values."""


class Number(str):
    """A JSON number in its written form."""

    __slots__ = ()


class Object(NamedTuple):
    """A JSON object with its keys in order."""

    pairs: list[tuple[str, Any]]


def parse(text: str) -> Any:
    """Return the document as Object, list, str, Number, bool and None; raise JsonTemplateInvalid."""
    try:
        document = json.loads(
            text, object_pairs_hook=_object, parse_int=Number, parse_float=Number, parse_constant=_refuse
        )
    except json.JSONDecodeError as error:
        hint = "; write it in quotes" if text.startswith("$$", error.pos) else ""
        raise JsonTemplateInvalid(f"is not JSON: {error.msg.lower()} in line {error.lineno}{hint}") from None
    except RecursionError:
        raise JsonTemplateInvalid(f"is nested more than {MAX_DEPTH} levels deep") from None
    if not isinstance(document, Object | list):
        raise JsonTemplateInvalid("must be a JSON object or array")
    if _is_deeper(document, MAX_DEPTH):
        raise JsonTemplateInvalid(f"is nested more than {MAX_DEPTH} levels deep")
    return document


def _is_deeper(node: Any, levels: int) -> bool:
    """Return whether more than *levels* objects and arrays are nested."""
    match node:
        case Object(pairs):
            return levels == 0 or any(_is_deeper(value, levels - 1) for _, value in pairs)
        case list():
            return levels == 0 or any(_is_deeper(value, levels - 1) for value in node)
    return False


def nested_document(text: str) -> Any | None:
    """Return the JSON document in a template's text; None if the text is no JSON, or has no placeholders."""
    if not text.lstrip().startswith(("{", "[")) or not PLACEHOLDER.search(text):
        return None
    try:
        return parse(text)
    except JsonTemplateInvalid:
        return None


def strings(node: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield every string value with the nearest key above the value."""
    match node:
        case Object(pairs):
            for name, value in pairs:
                yield from strings(value, name)
        case list():
            for value in node:
                yield from strings(value, key)
        case Number():
            pass
        case str():
            yield key, node


def keys(node: Any) -> Iterator[str]:
    """Yield every key, including the keys of documents that are nested in strings."""
    match node:
        case Object(pairs):
            for name, value in pairs:
                yield name
                yield from keys(value)
        case list():
            for value in node:
                yield from keys(value)
        case str():
            yield from keys(nested_document(node))


def _object(pairs: list[tuple[str, Any]]) -> Object:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise JsonTemplateInvalid(f"has the key {next(name for name in names if names.count(name) > 1)!r} twice")
    return Object(pairs)


def _refuse(name: str) -> NoReturn:
    raise JsonTemplateInvalid(f"holds {name}, which is not JSON")
