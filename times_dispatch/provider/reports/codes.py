"""The meanings of failure codes in delivery reports (docs/domain.md section 3) and of DLT scrubbing (section 5)."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

OTHER: Final = 900
"""The code of a failed report without a usable code."""

DND: Final = 901
"""The code of the event ``failed_dnd``."""

MAX_CODE_TEXT: Final = 40
MAX_CODE: Final = 65535

_CODE = re.compile(
    r"(?:err(?:or)?[ :=]{1,3})?0*+([0-9]{0,5})(?:[.]0+)?(?: ?[-:|,(] ?[A-Za-z(].*)?", re.DOTALL | re.IGNORECASE
)
"""A number, perhaps after the word for an error, or followed by its meaning: 912 - inbox full."""

REPORTED: Final[Mapping[int, str]] = MappingProxyType(
    {
        900: "anything not listed",
        901: "DND",
        902: "spam",
        903: "blacklisted, opted out",
        904: "system error at the provider",
        905: "subscriber error",
        906: "header blocked by DLT",
        907: "entity blocked by DLT",
        908: "template blocked by DLT",
        909: "DLT consent error",
        910: "invalid subscriber",
        912: "inbox full",
        913: "NDNC rejected",
        914: "undelivered after retries",
        915: "dropped",
        916: "expired",
        917: "force expired",
        918: "duplicate: same text, same number, within 30 minutes",
        919: "DLT platform failure",
        920: "URL not whitelisted",
    }
)

SCRUBBING: Final[Mapping[int, str]] = MappingProxyType(
    {
        **dict.fromkeys(range(600, 606), "DLT: entity"),
        **dict.fromkeys(range(610, 620), "DLT: telemarketer or hash"),
        **dict.fromkeys(range(620, 626), "DLT: header"),
        **dict.fromkeys(range(630, 638), "DLT: template"),
        633: "DLT: template not matched",
        635: "DLT: variable too long",
        642: "DLT: link not whitelisted",
        650: "DLT: preference (DND)",
        651: "DLT: outside promotional hours",
        660: "DLT: consent",
        670: "DLT: scrubbing failed",
        700: "DLT: link not whitelisted",
        701: "DLT: link not whitelisted",
    }
)
"""The most common numbers of scrubbing codes. Some vendors use other numbers, so ``describe`` accepts another table."""


def describe(code: int, scrubbing: Mapping[int, str] = SCRUBBING) -> str:
    """Return the meaning of a failure code; a report with an unknown code still means failed."""
    return REPORTED.get(code) or scrubbing.get(code) or f"unknown code {code}"


def read_code(code: object, *, is_dnd: bool) -> tuple[int, str]:
    """Return the failure code of a report, and its text of at most 40 characters; OTHER if the code is not usable."""
    text = str(code).strip()[:MAX_CODE_TEXT] if isinstance(code, (str, int, float)) else ""
    if is_dnd:
        return DND, text
    number = int(match[1] or 0) if (match := _CODE.fullmatch(text.strip("\"' "))) else OTHER
    # 0 is "no error" in SMPP's receipts (err:000): a failure with 0 has no code.
    return number if 0 < number <= MAX_CODE else OTHER, text
