"""A JSON document whose strings are templates: read when a provider is described, written out for each push.

Placeholders stand inside strings, so that what fills them can be escaped. Numbers stay as they are written. A string
may itself be the text of such a document.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

from times_dispatch.provider.description.placeholders import PLACEHOLDER


class JsonTemplateInvalid(ValueError):
    """The text is no such document; the message is a reason that holds none of its values."""


class Number(str):
    """A number as it is written."""

    __slots__ = ()


class Object(NamedTuple):
    """An object, in order."""

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
        raise JsonTemplateInvalid("is nested too deeply") from None
    if not isinstance(document, Object | list):
        raise JsonTemplateInvalid("must be a JSON object or array")
    return document


def within(text: str) -> Any | None:
    """Return the document that a template is the text of; None if it is another text, or the same for every push."""
    if not text.lstrip().startswith(("{", "[")) or not PLACEHOLDER.search(text):
        return None
    try:
        return parse(text)
    except JsonTemplateInvalid:
        return None


def strings(node: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield every string that is a value, after the nearest key above it."""
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
    """Yield every key, also of the documents that strings are the text of."""
    match node:
        case Object(pairs):
            for name, value in pairs:
                yield name
                yield from keys(value)
        case list():
            for value in node:
                yield from keys(value)
        case str():
            yield from keys(within(node))


def _object(pairs: list[tuple[str, Any]]) -> Object:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise JsonTemplateInvalid(f"has the key {next(name for name in names if names.count(name) > 1)!r} twice")
    return Object(pairs)


def _refuse(name: str) -> NoReturn:
    raise JsonTemplateInvalid(f"holds {name}, which is not JSON")
