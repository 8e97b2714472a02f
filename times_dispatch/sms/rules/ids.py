"""Principal entity ids and template (content) ids: digits, 19 in every known sample (docs/domain.md section 5)."""

import re

KNOWN_DIGITS = 19

_MANGLED = re.compile(r"[0-9]+[.,]?[0-9]*[eE][+]?[0-9]+|[0-9]+[.]0*")


def entity_problem(digits: str) -> str | None:
    """Say what is wrong with a principal entity id; None if nothing is."""
    return _problem(digits, 12)


def content_problem(digits: str) -> str | None:
    """Say what is wrong with a template id; None if nothing is."""
    return _problem(digits, 4)


def doubt(digits: str) -> str | None:
    """Say what is allowed and was never seen; None if nothing is odd."""
    if digits and len(digits) < KNOWN_DIGITS:
        return f"has {len(digits)} digits, every known one has {KNOWN_DIGITS}"
    return None


def _problem(digits: str, fewest: int) -> str | None:
    if re.fullmatch(f"[0-9]{{{fewest},{KNOWN_DIGITS}}}", digits):
        return None
    if _MANGLED.fullmatch(digits):
        return f"is {digits!r}: a spreadsheet made a number of it; format the column as text before saving"
    return f"must be {fewest} to {KNOWN_DIGITS} digits in quotes, is {digits!r}"
