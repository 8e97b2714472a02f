"""Constant bytes around escaped inserts: what a template becomes before the first push.

A value is escaped for where it stands and never read again, so that no name or text can change what surrounds it.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote_from_bytes

import msgspec

from times_dispatch.provider.description.placeholders import (
    OF_PUSH,
    PLACEHOLDER,
    VARIABLES,
    Getter,
    PushUnsendable,
    custom,
)
from times_dispatch.provider.push import Push

Escape = Callable[[str], bytes]


class ByteTemplate:
    """Bytes with places to fill. Build it with ``constant``, ``template`` and ``variables``, then ``fill`` it."""

    def __init__(self, constants: Mapping[str, str], defaults: Mapping[str, str]) -> None:
        """Take what placeholders stand for whatever the push, and what they stand for if it brings nothing."""
        self._constants = constants
        self._defaults = defaults
        self._bytes = b""
        self._inserts: list[tuple[Getter, Escape]] = []

    @property
    def is_constant(self) -> bool:
        """Say whether every push gets the same."""
        return not self._inserts

    def constant(self, raw: bytes) -> None:
        """Add bytes as they are."""
        self._bytes += raw.replace(b"%", b"%%")

    def template(self, text: str, escape: Escape) -> None:
        """Add a text and what its placeholders stand for."""
        for place, piece in enumerate(PLACEHOLDER.split(text)):
            if place % 2 == 0:
                self.constant(escape(piece))
            elif (known := self._constants.get(piece)) is not None:
                self.constant(escape(known))
            else:
                self._bytes += b"%b"
                self._inserts.append((OF_PUSH.get(piece) or custom(piece, self._defaults.get(piece)), escape))

    def variables(self, escape: Escape) -> None:
        """Add the values of the slots as a JSON array that is not inside a string of its document."""
        self._bytes += b"%b"
        self._inserts.append((OF_PUSH[VARIABLES], escape))

    def fill(self, push: Push) -> bytes:
        """Return the bytes for one push; raise PushUnsendable or UnicodeEncodeError if there are none."""
        return self._bytes % tuple([escape(get(push)) for get, escape in self._inserts])


def as_it_is(value: str) -> bytes:
    """Pass what is escaped already."""
    return value.encode()


def in_json(value: str) -> bytes:
    """Escape for the inside of a JSON string."""
    return msgspec.json.encode(value)[1:-1]


def in_json_within(outer: Escape) -> Escape:
    """Return what escapes for the inside of a string of a JSON document whose text is itself escaped by *outer*."""

    def escape(value: str) -> bytes:
        return outer(in_json(value).decode())

    return escape


_UNRESERVED: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~"
_PERCENT: Final = {code: f"%{code:02X}" for code in range(128) if chr(code) not in _UNRESERVED}


def in_form(value: str) -> bytes:
    """Escape for a form or a query.

    A blank becomes %20: everybody reads it, while a plus is a blank only to those who think of forms.
    """
    if value.isascii():
        if value.isalnum():
            return value.encode("ascii")
        return value.translate(_PERCENT).encode("ascii")  # half the time that quote takes
    return quote_from_bytes(value.encode(), safe="").encode("ascii")


HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")


def in_header(value: str) -> bytes:
    """Pass a header's value, which nothing can escape; raise PushUnsendable if it is not one line of ASCII."""
    if not HEADER_VALUE.fullmatch(value):
        raise PushUnsendable("a header's value must be one line of ASCII")
    return value.encode("ascii")
