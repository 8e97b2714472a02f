"""How a text travels: GSM 7-bit or UCS-2, and in how many parts (docs/domain.md section 6)."""

import re
from typing import Final

import msgspec

GSM_ALPHABET: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The default alphabet of GSM 03.38 (3GPP TS 23.038, section 6.2.1), one septet each."""

GSM_EXTENSION: Final = "\f^{}\\[~]|€"
"""Its extension table: an escape and a septet each."""

_ONE_SEPTET_EACH = re.compile(f"[{re.escape(GSM_ALPHABET)}]*")
_NOT_GSM = re.compile(f"[^{re.escape(GSM_ALPHABET + GSM_EXTENSION)}]")
_ESCAPED = re.compile(f"[{re.escape(GSM_EXTENSION)}]")
_ESCAPE = "\x1b"


MOST_PARTS: Final = 255
"""Of one message: an octet in each part counts them (3GPP TS 23.040, section 9.2.3.24.1)."""


class Measure(msgspec.Struct, frozen=True, gc=False):
    """What sending a text takes."""

    unicode: bool
    """Needs UCS-2; the push API's ``unicode`` key."""
    parts: int
    """SMS parts, at least 1."""
    units: int
    """Septets if it fits the GSM alphabet, UTF-16 units otherwise."""


def measure(text: str) -> Measure:
    """Measure a rendered text: 160 septets or 70 UTF-16 units in one part, 153 or 67 each in several."""
    if _ONE_SEPTET_EACH.fullmatch(text):
        units = len(text)
        return Measure(False, 1 if units <= 160 else -(-units // 153), units)
    if _NOT_GSM.search(text):
        return _measure_ucs2(text)
    return _measure_escaped(text)


def offending(text: str) -> str:
    """Return the distinct characters that force UCS-2, in the order in which they first appear."""
    return "".join(dict.fromkeys(_NOT_GSM.findall(text)))


def _measure_escaped(text: str) -> Measure:
    septets = _ESCAPED.sub(_ESCAPE + "_", text)
    units = len(septets)
    if units <= 160:
        return Measure(False, 1, units)
    parts, end = 1, 153
    while end < units:
        if septets[end - 1] == _ESCAPE:  # its second half would open the next part
            end -= 1
        parts, end = parts + 1, end + 153
    return Measure(False, parts, units)


def _measure_ucs2(text: str) -> Measure:
    # A lone surrogate is no valid text, but it is countable, and the place to refuse it is not here.
    encoded = text.encode("utf-16-be", "surrogatepass")
    units = len(encoded) // 2
    if units <= 70:
        return Measure(True, 1, units)
    parts, end = 1, 67
    while end < units:
        last, following = encoded[2 * end - 2], encoded[2 * end]
        if 0xD8 <= last <= 0xDB and 0xDC <= following <= 0xDF:
            end -= 1
        parts, end = parts + 1, end + 67
    return Measure(True, parts, units)
