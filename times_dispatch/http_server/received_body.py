"""Tells an application whether the whole body of a request was received: an extension of ASGI.

A request that arrives in one piece is parsed whole before the application runs. Then nothing of its body can be late,
and the application needs no timer to read it.
"""

from collections.abc import MutableMapping
from typing import Any, Final

_EXTENSION: Final = "times_dispatch.body_received"
_EXTENSIONS: Final[dict[str, dict[object, object]]] = {_EXTENSION: {}}


def set_body_received(scope: MutableMapping[str, Any]) -> None:
    """Record in the scope of a request that the last byte of its body was received."""
    scope["extensions"] = _EXTENSIONS


def is_body_received(scope: MutableMapping[str, Any]) -> bool:
    """Return whether the last byte of the body was received; False if the server does not tell it."""
    return _EXTENSION in scope.get("extensions", ())
