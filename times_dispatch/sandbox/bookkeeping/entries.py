"""The entries of the books, which are also the lines of the journal."""

from hashlib import sha256

import msgspec


class Arrival(msgspec.Struct, tag="arrival", array_like=True, frozen=True, gc=False):
    """A request reached an endpoint, whatever its response was."""

    sender: str
    message_id: str
    at_ns: int


class Acceptance(msgspec.Struct, tag="acceptance", array_like=True, frozen=True, gc=False):
    """A message was accepted."""

    sender: str
    message_id: str
    at_ns: int
    number: str
    """A hash of the phone number, see ``number_hash``."""
    parts: int
    unicode_mismatch: bool = False
    unicode_needless: bool = False


class Refusal(msgspec.Struct, tag="refusal", array_like=True, frozen=True, gc=False):
    """A message was refused with a status code."""

    sender: str
    code: int


class InjectedFault(msgspec.Struct, tag="injected_fault", array_like=True, frozen=True, gc=False):
    """A fault was injected into the handling of a request."""

    sender: str
    fault: str


class ReportEntry(msgspec.Struct, tag="report", array_like=True, frozen=True, gc=False):
    """A row of a delivery report was acknowledged by the receiver."""

    event: str
    meta: str
    code: str
    origin: str
    visit: str = ""
    """The header X-Request-Id of the answer to a click; empty for a row of the poster."""


Entry = Arrival | Acceptance | Refusal | InjectedFault | ReportEntry


def number_hash(number: str) -> str:
    """Return the first 16 hex digits of the SHA-256 of a phone number without its ``+``; the books hold no numbers."""
    return sha256(number.removeprefix("+").encode("utf-8", "surrogatepass")).hexdigest()[:16]
