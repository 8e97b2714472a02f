"""Indian landlines, told from mobiles by the numbering plan in the phonenumbers library."""

import re
from functools import cache
from typing import Any, Final

from phonenumbers import PhoneMetadata

_PREFIX_DIGITS: Final = 5
"""So many first digits decide. Area codes have two to four digits, and the digit after the code counts too."""


def is_landline(national: str) -> bool:
    """Return whether ten national digits are a landline, and certainly no mobile.

    A number that the library does not know is no landline: new ranges of mobiles are in use before the library names
    them.
    """
    return national[:_PREFIX_DIGITS] in landline_prefixes()


@cache
def landline_prefixes() -> frozenset[str]:
    """Return the first five digits of all landlines. It takes about 0.1 s at the first call."""
    plan: Any = PhoneMetadata.metadata_for_region("IN")
    landline = re.compile(plan.fixed_line.national_number_pattern)
    mobile = re.compile(plan.mobile.national_number_pattern)
    samples = ((str(prefix), f"{prefix}00000") for prefix in range(10_000, 100_000))
    return frozenset(
        prefix for prefix, number in samples if landline.fullmatch(number) and not mobile.fullmatch(number)
    )
