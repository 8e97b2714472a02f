"""Headers, that is sender ids: their form, and what it says of the category (docs/domain.md section 5)."""

import re

from times_dispatch.sms.rules.categories import Category

_HEADER = re.compile(r"[A-Za-z]{6}|[0-9]{6}")
_WITH_SUFFIX = re.compile(r"([A-Za-z]{6}|[0-9]{6})-[PSTGpstg]")
_WITH_PREFIX = re.compile(r"[A-Za-z]{2}-([A-Za-z]{6}|[0-9]{6})(-[PSTGpstg])?")


def problem(header: str) -> str | None:
    """Say what is wrong with a header's form; None if nothing is. Case matters and is kept as registered."""
    if _HEADER.fullmatch(header):
        return None
    if (own := registered(header)) != header:
        return f"operators add what stands around it themselves; write {own}"
    return "a header is 6 letters, or 6 digits if promotional, without the operator's suffix"


def registered(header: str) -> str:
    """Return a header without what operators add to it, ``TIMESM`` for ``AD-TIMESM-S``; any other as it is."""
    affixed = _WITH_SUFFIX.fullmatch(header) or _WITH_PREFIX.fullmatch(header)
    return affixed[1] if affixed else header


def category_problem(header: str, category: Category) -> str | None:
    """Say why a header cannot be of this category: digits are promotional. Letters prove nothing."""
    if header.isdigit() and category != "promotional":
        return f"a header of digits is promotional, and this says {category}"
    return None
