"""A submitted message: eight keys in a JSON body or a query string (docs/domain.md section 1)."""

from urllib.parse import parse_qsl

import msgspec


class Submission(msgspec.Struct, frozen=True, gc=False):
    """The eight keys of a message; a key that is missing, or whose name is spelled differently, is empty."""

    username: str = ""
    password: str = ""
    unicode: str = ""
    sender: str = msgspec.field(default="", name="from")
    to: str = ""
    text: str = ""
    content_id: str = msgspec.field(default="", name="dltContentId")
    correlation_id: str = msgspec.field(default="", name="corelationid")

    def __repr__(self) -> str:
        """Return a representation without credentials, number and text."""
        return f"Submission(sender={self.sender!r}, correlation_id={self.correlation_id!r})"


UNREADABLE = Submission()
"""The submission of a request in an unknown format."""

_decode = msgspec.json.Decoder(Submission).decode


def from_json(body: bytes) -> Submission:
    """Read the body of a POST: a flat object of strings."""
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return UNREADABLE


def from_query(query: str) -> Submission:
    """Read the query string of a GET; a ``+`` is a space, as in every form."""
    return msgspec.convert(dict(parse_qsl(query, keep_blank_values=True)), Submission)
