"""Counts the parts of a text like the provider.

This module repeats ``times_dispatch.sms.encoding`` on purpose: a mistake in one of the modules makes the counts differ.
"""

from collections.abc import Iterable

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_ESCAPED = frozenset("\f^{}\\[~]|€")
_GSM = _BASIC | _ESCAPED


def is_gsm(text: str) -> bool:
    """Return whether ``text`` can be written in the GSM 03.38 alphabet."""
    return _GSM.issuperset(text)


def count(text: str, *, unicode: bool) -> int:
    """Return the number of billed parts of ``text`` (docs/domain.md section 6), in UCS-2 or in GSM 03.38."""
    if unicode:
        units = len(text.encode("utf-16-le", "surrogatepass")) // 2
        return _parts(units, len(text), single=70, each=67, widths=(1 + (c > "\uffff") for c in text))
    escaped = 0 if _ESCAPED.isdisjoint(text) else sum(c in _ESCAPED for c in text)
    return _parts(len(text) + escaped, len(text), single=160, each=153, widths=(1 + (c in _ESCAPED) for c in text))


def _parts(units: int, characters: int, *, single: int, each: int, widths: Iterable[int]) -> int:
    """Return the number of parts of a text.

    Args:
        units: the length of the text in units, which are GSM septets or UCS-2 code units.
        characters: the length of the text in characters.
        single: the number of units that fit into a single part.
        each: the number of units that fit into each of several parts.
        widths: the units of each character.
    """
    if units <= single:
        return 1
    if units == characters:
        return -(-units // each)
    parts, left = 1, each
    for width in widths:
        if width > left:  # a pair of units is never split: the last unit of this part stays empty
            parts, left = parts + 1, each
        left -= width
    return parts
