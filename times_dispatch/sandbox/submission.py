"""What a client hands in: the eight keys, from a JSON body or from a query string (docs/domain.md section 1)."""

from urllib.parse import parse_qsl

import msgspec


class Submission(msgspec.Struct, frozen=True, gc=False):
    """The eight keys, spelt exactly so; a key that is missing or spelt otherwise is empty."""

    username: str = ""
    password: str = ""
    unicode: str = ""
    sender: str = msgspec.field(default="", name="from")
    to: str = ""
    text: str = ""
    content_id: str = msgspec.field(default="", name="dltContentId")
    correlation_id: str = msgspec.field(default="", name="corelationid")

    def __repr__(self) -> str:
        """Show no credential, number or text."""
        return f"Submission(sender={self.sender!r}, correlation_id={self.correlation_id!r})"


UNREADABLE = Submission()
"""Stands for a request that does not hold the eight keys in a shape the gateway reads."""

_decode = msgspec.json.Decoder(Submission).decode


def from_json(body: bytes) -> Submission:
    """Read the body of a POST: one flat object of strings."""
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return UNREADABLE


def from_query(query: str) -> Submission:
    """Read the query string of a GET; a ``+`` in it is a space, as in any form."""
    return msgspec.convert(dict(parse_qsl(query, keep_blank_values=True)), Submission)
