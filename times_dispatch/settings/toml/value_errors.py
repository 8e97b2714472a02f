"""Messages about mistakes in settings, which say what to do. No message repeats a value that could be a secret."""

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from times_dispatch.settings.errors import closest
from times_dispatch.settings.toml.strict_table import TomlPath, settings_of

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


def describe_error(error: ErrorDetails, model: type[BaseModel]) -> str:
    """Return the mistake in one value of a model, as a text."""
    kind, value, details = error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_setting(error["loc"], model)
    if kind in _LIMIT_WORDS:
        words, limit = _LIMIT_WORDS[kind]
        return f"must be {words} {details[limit]:g}, is {value}"
    if kind in _TYPE_WORDS:
        return f"must be {_TYPE_WORDS[kind]}, is {_type_words(value)}"
    if kind == "literal_error":
        return f"must be {str(details['expected']).replace(chr(39), '')}, is {value}"
    if kind == "value_error":
        return str(details["error"])
    return _OTHER_WORDS.get(kind) or error["msg"][:1].lower() + error["msg"][1:]


def _unknown_setting(path: TomlPath, model: type[BaseModel]) -> str:
    name = str(path[-1])
    if _SECRET_WORDS.search(name):
        return "a secret must not be in the file: give it as an environment variable"
    return f"there is no such setting{closest(name, _settings_at(model, path[:-1]))}"


def _type_words(value: object) -> str:
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
    """Return the names of the settings in the table at a path."""
    annotation: Any = model
    for key in path:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            annotation = settings_of(annotation)[str(key)].annotation
        else:
            annotation = annotation.__args__[-1]  # the SenderSettings of dict[str, SenderSettings]
    return settings_of(annotation) if isinstance(annotation, type) and issubclass(annotation, BaseModel) else ()
