"""Headers, also called sender ids: their form, and the category that the form implies (docs/domain.md section 5)."""

import re

from times_dispatch.sms.rules.categories import Category

_HEADER = re.compile(r"[A-Za-z]{3,6}|[0-9]{6}")
"""Portals also approve headers of four letters (seen in 2026); most headers have six."""
_WITH_SUFFIX = re.compile(r"([A-Za-z]{3,6}|[0-9]{6})-[PSTGpstg]")
_WITH_PREFIX = re.compile(r"[A-Za-z]{2}-([A-Za-z]{3,6}|[0-9]{6})(-[PSTGpstg])?")


def problem(header: str) -> str | None:
    """Return why the form of a header is invalid; None if the form is valid. Case matters."""
    if _HEADER.fullmatch(header):
        return None
    if (stripped := without_affixes(header)) != header:
        return f"operators add the prefix and the suffix themselves; write {stripped}"
    return "a header is 3 to 6 letters, or 6 digits if promotional, without the operator's suffix"


def without_affixes(header: str) -> str:
    """Return a header without the prefix and suffix that operators add: ``TIMESM`` for ``AD-TIMESM-S``."""
    affixed = _WITH_SUFFIX.fullmatch(header) or _WITH_PREFIX.fullmatch(header)
    return affixed[1] if affixed else header


def category_problem(header: str, category: Category) -> str | None:
    """Return why a header cannot have a category; None if the header can have the category.

    A header of digits is promotional. A header of letters may have any category.
    """
    if header.isdigit() and category != "promotional":
        return f"a header of digits is promotional, not {category}"
    return None
