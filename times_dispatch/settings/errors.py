"""Mistakes in settings, in words that say what to do; a value that could be a secret is never repeated."""

import difflib
import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from times_dispatch.settings.strict_table import TomlPath, settings_of

_SECRET_WORDS = re.compile(r"user_?name|pass(word|wd)?|secret|token|auth|credential", re.IGNORECASE)

_LIMIT_WORDS = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("below", "lt"),
    "less_than_equal": ("at most", "le"),
}

_OTHER_WORDS = {
    "missing": "is missing",
    "finite_number": "must be a finite number",
    "string_too_short": "must not be empty",
}

_TYPE_WORDS = {
    "string_type": "a text in quotes",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a table",
    "model_type": "a table",
    "list_type": "an array",
    "tuple_type": "an array",
}


class SettingsInvalid(Exception):
    """Holds every mistake, one a line, each with its file, line and place; never a secret."""

    def __init__(self, mistakes: Iterable[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.mistakes))


def closest(name: str, known: Iterable[str]) -> str:
    """Word a suggestion, ``; did you mean TIMESM?``, or else list what there is."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; there is {', '.join(names)}" if names else "; there is none"


def in_words(error: ErrorDetails, model: type[BaseModel]) -> str:
    """Say what is wrong with one value of *model*."""
    kind, given, details = error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_setting(error["loc"], model)
    if kind in _LIMIT_WORDS:
        words, limit = _LIMIT_WORDS[kind]
        return f"must be {words} {details[limit]:g}, is {given}"
    if kind in _TYPE_WORDS:
        return f"must be {_TYPE_WORDS[kind]}, is {_kind(given)}"
    if kind == "literal_error":
        return f"must be {str(details['expected']).replace(chr(39), '')}, is {given}"
    if kind == "value_error":
        return str(details["error"])
    return _OTHER_WORDS.get(kind) or error["msg"][:1].lower() + error["msg"][1:]


def _unknown_setting(path: TomlPath, model: type[BaseModel]) -> str:
    name = str(path[-1])
    if _SECRET_WORDS.search(name):
        return "a secret does not stand in the file: give it as an environment variable"
    return f"there is no such setting{closest(name, _settings_at(model, path[:-1]))}"


def _kind(value: object) -> str:
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "an array"
        case dict():
            return "a table"
    return "a date or time"


def _settings_at(model: type[BaseModel], path: TomlPath) -> Iterable[str]:
    """List the settings of the table at *path*, going down through tables of tables such as ``senders``."""
    here: Any = model
    for step in path:
        if isinstance(here, type) and issubclass(here, BaseModel):
            here = settings_of(here)[str(step)].annotation
        else:
            here = here.__args__[-1]  # the Sender of dict[str, Sender]
    return settings_of(here) if isinstance(here, type) and issubclass(here, BaseModel) else ()
