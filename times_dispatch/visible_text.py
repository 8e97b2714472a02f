"""Makes foreign text safe for a terminal: control characters and invisible characters become escapes."""

import re
from typing import Final

_DATE: Final = r"20\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?:[ T](?:[01]\d|2[0-3]):[0-5]\d)?(?![ ().:-]{0,2}\d)"
_LONG_NUMBER: Final = re.compile(rf"(?P<date>{_DATE})|(?<![+(])[+(]*+\d(?:[ ().-]{{0,2}}\d){{6,}}")
_JOINERS: Final = "\u200c\u200d"
"""Scripts of India need these two invisible characters to write some letters; neither controls a terminal."""
_BLANK_LETTERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and marks that show nothing, although Unicode counts them as printable."""


def visible(text: str) -> str:
    r"""Return a text on one line, with every control, bidi, invisible and unpaired character as an escape.

    The escapes are the escapes of JSON (``\n``, ``\u001b``), so that a JSON document without line breaks stays the same
    document.
    """
    if text.isprintable() and (text.isascii() or _BLANK_LETTERS.isdisjoint(text)):
        return text
    return "".join(char if _is_visible(char) or char in _JOINERS else _escape(char) for char in text)


def _is_visible(char: str) -> bool:
    return char.isprintable() and char not in _BLANK_LETTERS


_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _escape(char: str) -> str:
    if char in _SHORT:
        return _SHORT[char]
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[index : index + 2].hex()}" for index in range(0, len(units), 2))


def without_long_numbers(text: str, mask: str = "…") -> str:
    """Return a text in which every possible phone number is masked: seven digits or more, even with separators.

    A date such as ``2026-12-31 10:00`` stays, if no further digits come before or after it.
    """
    return _LONG_NUMBER.sub(lambda match: match["date"] or mask, text)
