"""Principal entity ids and content ids (template ids): 19 digits in every known sample (docs/domain.md section 5)."""

import re

KNOWN_DIGITS = 19

_FROM_SPREADSHEET = re.compile(r"[0-9]++(?:[.,][0-9]*+)?[eE][+]?[0-9]++|[0-9]++[.]0*+")


def entity_problem(digits: str) -> str | None:
    """Return why a principal entity id is invalid; None if the id is valid."""
    return _problem(digits, 12)


def content_problem(digits: str) -> str | None:
    """Return why a content id is invalid; None if the id is valid."""
    return _problem(digits, 4)


def warning(digits: str) -> str | None:
    """Return why an allowed id is unusual; None if the id is usual."""
    if digits and len(digits) < KNOWN_DIGITS:
        return f"has {len(digits)} digits, every known one has {KNOWN_DIGITS}"
    return None


def _problem(digits: str, min_digits: int) -> str | None:
    if re.fullmatch(f"[0-9]{{{min_digits},{KNOWN_DIGITS}}}", digits):
        return None
    if _FROM_SPREADSHEET.fullmatch(digits):
        return f"is {digits!r}: a spreadsheet made a number of it; format the column as text before saving"
    return f"must be {min_digits} to {KNOWN_DIGITS} digits in quotes, is {digits!r}"
