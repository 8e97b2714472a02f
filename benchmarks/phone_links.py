"""Finds clickable texts by the description of Android's automatic links, for the comparison with our search of links.

Android links every address with http, https, rtsp or ftp, and every name with a known ending in small letters, with or
without port and path. A name after an @ is no link. The module shares no code with ``times_dispatch.sms.rules`` on
purpose: a mistake in one of the two makes the counts differ.
"""

import re
from functools import cache

from publicsuffixlist import PublicSuffixList

_PROTOCOL = re.compile(r"(?<!\w)(?:https?|rtsp|ftp)://[^\s.]", re.IGNORECASE)
# The characters of RFC 3987, without blanks.
_OTHER = (
    "\u00a1-\u1fff\u200b-\u2027\u202a-\u202e\u2030-\u2fff\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\uffef\U00010000-\U000dfffd"
)
_NAME = re.compile(rf"(?<![\w@.-])[A-Za-z0-9{_OTHER}][A-Za-z0-9{_OTHER}_.-]*+")
_ADDRESS = re.compile(r"(?<![\w.@])[1-9][0-9]{0,2}(?:\.[0-9]{1,3}){3}(?![\w.])")


def is_clickable(text: str) -> bool:
    """Return whether a phone finds at least one link in a text."""
    if _PROTOCOL.search(text):
        return True
    if any(all(int(part) < 256 for part in match[0].split(".")) for match in _ADDRESS.finditer(text)):
        return True
    return any(_has_known_ending(match[0], text[match.end() : match.end() + 1]) for match in _NAME.finditer(text))


def _has_known_ending(name: str, after: str) -> bool:
    if after == "@":
        return False
    labels = name.split(".")
    return any(
        labels[index - 1] and not labels[index - 1].endswith(("-", "_")) and _is_ending(labels[index])
        for index in range(1, len(labels))
    )


@cache
def _is_ending(label: str) -> bool:
    return bool(label) and label == label.lower() and _suffixes().publicsuffix(label) is not None


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=False, only_icann=True)
