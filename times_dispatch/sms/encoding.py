"""The encoding of a text, GSM 7-bit or UCS-2, and the number of its SMS parts (docs/domain.md section 6)."""

import re
from typing import Final

import msgspec

GSM_ALPHABET: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The default alphabet of GSM 03.38 (3GPP TS 23.038, section 6.2.1). Each character takes one septet."""

GSM_EXTENSION: Final = "\f^{}\\[~]|€"
"""The extension table of GSM 03.38. Each character takes two septets: an escape and the character's code."""

_ONE_SEPTET_EACH = re.compile(f"[{re.escape(GSM_ALPHABET)}]*")
_ONE_SEPTET_OR_NOT_ASCII = "".join(filter(str.isascii, GSM_ALPHABET)).encode() + bytes(range(0x80, 0x100))
_NOT_GSM = re.compile(f"[^{re.escape(GSM_ALPHABET + GSM_EXTENSION)}]")
_ESCAPED = re.compile(f"[{re.escape(GSM_EXTENSION)}]")
_ESCAPE = "\x1b"

MAX_PARTS: Final = 255
"""The maximum number of SMS parts of a message, whose count has one octet (3GPP TS 23.040, section 9.2.3.24.1)."""


class Measure(msgspec.Struct, frozen=True, gc=False):
    """The encoding and the size of a text."""

    unicode: bool
    """Whether the text needs UCS-2; this is the value of the key ``unicode`` of the push API."""
    parts: int
    """The number of SMS parts, at least 1."""
    units: int
    """The length in septets if all characters are in the GSM alphabet, otherwise in UTF-16 units."""


def measure(text: str) -> Measure:
    """Measure a rendered text.

    One part holds 160 septets or 70 UTF-16 units. Each of several parts holds 153 or 67.
    """
    if _ONE_SEPTET_EACH.fullmatch(text):
        units = len(text)
        return Measure(False, 1 if units <= 160 else -(-units // 153), units)
    if _NOT_GSM.search(text):
        return _measure_ucs2(text)
    return _measure_escaped(text)


def takes_one_septet_each(text: str) -> bool:
    """Say whether all characters of a text are in the GSM default alphabet, so that each takes one septet."""
    if text.isascii():
        return not has_ascii_beyond_gsm(text)
    return _ONE_SEPTET_EACH.fullmatch(text) is not None


def has_ascii_beyond_gsm(text: str) -> bool:
    """Say whether any ASCII character of a text takes two septets, or is not in the GSM alphabet."""
    return bool(text.encode(errors="surrogatepass").translate(None, _ONE_SEPTET_OR_NOT_ASCII))


def takes_one_utf16_unit_each(text: str) -> bool:
    """Say whether every character of a text takes one unit in UCS-2."""
    return text.isascii() or len(text.encode("utf-16-le", "surrogatepass")) == 2 * len(text)


def non_gsm_characters(text: str) -> str:
    """Return the distinct characters that force UCS-2, in the order of their first appearance."""
    return "".join(dict.fromkeys(_NOT_GSM.findall(text)))


def _measure_escaped(text: str) -> Measure:
    septets = _ESCAPED.sub(_ESCAPE + "_", text)
    units = len(septets)
    if units <= 160:
        return Measure(False, 1, units)
    parts, end = 1, 153
    while end < units:
        if septets[end - 1] == _ESCAPE:  # an escape and its character must be in the same part
            end -= 1
        parts, end = parts + 1, end + 153
    return Measure(False, parts, units)


def _measure_ucs2(text: str) -> Measure:
    # A lone surrogate is not valid text, but has a length; the caller refuses lone surrogates.
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
