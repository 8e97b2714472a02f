"""The targets of tracked links: addresses of the campaign, with values of the recipient's row in their path or query.

All reserved characters of a value are percent-encoded, so that a value can end no path segment and begin no query,
fragment or host.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, urlsplit

MAX_TARGET_LENGTH: Final = 2_000
"""The maximum length of a composed target; some browsers and proxies accept no longer addresses."""


def target_problem(literals: Sequence[str]) -> str | None:
    """Return why an address cannot be the target of a link; None if the address can be a target.

    Args:
        literals: the constant pieces of the address, before, between and after the values of the row.
    """
    first = literals[0]
    if not all(piece.isascii() and piece.isprintable() and not set(piece) & set(' "<>\\^`|') for piece in literals):
        return "must be ASCII without blanks: write other characters of a path as %E0%A4, and a domain as xn--…"
    if sum(map(len, literals)) > MAX_TARGET_LENGTH:
        return f"is longer than {MAX_TARGET_LENGTH:,} characters"
    return _domain_problem(first, has_values=len(literals) > 1)


def _domain_problem(beginning: str, *, has_values: bool) -> str | None:
    """Return why an address cannot have this beginning; None if the beginning is valid.

    Args:
        beginning: the address up to the first value.
        has_values: whether a value follows.
    """
    try:
        parts = urlsplit(beginning)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme not in {"http", "https"} or not host:
        return "must begin with https:// or http:// and a domain"
    if "@" in parts.netloc:
        return "must not contain credentials"
    if has_values and not (parts.path or parts.query or parts.fragment or beginning.endswith(("?", "#"))):
        return "has a placeholder in its domain; placeholders are allowed in the path and after it"
    return None


def compose_target(literals: Sequence[str], values: Sequence[str]) -> str:
    """Return the address with the values of a row between its literals."""
    pieces = [literals[0]]
    for value, literal in zip(values, literals[1:], strict=True):
        pieces.append(quote(value, safe="", errors="replace"))
        pieces.append(literal)
    return "".join(pieces)


def values_problem(literals: Sequence[str], values: Sequence[str]) -> str | None:
    """Return why the values of a row cannot stand in an address; None if the values are valid."""
    if not any(len(value) > _SHORT or not value.strip(".") for value in values):
        return None
    target = compose_target(literals, values)
    if len(target) > MAX_TARGET_LENGTH:
        return f"makes a link target of more than {MAX_TARGET_LENGTH:,} characters"
    if {".", ".."} & set(urlsplit(target).path.split("/")):
        return "makes a link target whose path has a segment of dots only"
    return None


_SHORT: Final = 20
"""The length of a target is checked only if a value has more than this many characters."""
