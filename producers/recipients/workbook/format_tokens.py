"""Splits a number format of a spreadsheet, as ``#,##0.00`` or ``dd-mmm-yyyy``, into sections and tokens.

The grammar is that of ECMA-376 part 1, section 18.8.31. Colours, widths and fill characters show nothing.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from producers.recipients.workbook.locales import DEFAULT_LOCALE, Locale, locale_of

GENERAL = "General"
BUILTIN: dict[int, str] = {
    0: GENERAL,
    1: "0",
    2: "0.00",
    3: "#,##0",
    4: "#,##0.00",
    5: "#,##0",
    6: "#,##0",
    7: "#,##0.00",
    8: "#,##0.00",
    9: "0%",
    10: "0.00%",
    11: "0.00E+00",
    12: "# ?/?",
    13: "# ??/??",
    14: "dd-mm-yyyy",
    15: "d-mmm-yy",
    16: "d-mmm",
    17: "mmm-yy",
    18: "h:mm AM/PM",
    19: "h:mm:ss AM/PM",
    20: "h:mm",
    21: "h:mm:ss",
    22: "dd-mm-yyyy hh:mm",
    37: "#,##0;(#,##0)",
    38: "#,##0;(#,##0)",
    39: "#,##0.00;(#,##0.00)",
    40: "#,##0.00;(#,##0.00)",
    41: "#,##0;(#,##0)",
    42: "#,##0;(#,##0)",
    43: "#,##0.00;(#,##0.00)",
    44: "#,##0.00;(#,##0.00)",
    45: "mm:ss",
    46: "[h]:mm:ss",
    47: "mm:ss.0",
    48: "0.0E+0",
    49: "@",
    **dict.fromkeys((*range(27, 37), *range(50, 59)), "yyyy-mm-dd"),
}
"""The formats that files name only by a number. The short date (14, 22) is India's, as programs in India show it."""

_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|_.|\*.|B1|(?P<hijri>B2)|\[\$(?P<currency>[^\]-]{0,255})(?:-(?P<locale>[^\]]{0,255}))?\]|'
    r"\[(?P<elapsed>(?:h+|m+|s+)\](?:(?<=s\])\.0+)?)|\[(?P<condition>[<>=]+)(?P<limit>-?[0-9.]+)\]|\[[^\]]{0,255}\]|"
    r"(?P<general>General)|(?P<ampm>AM/PM|A/P|am/pm|a/p)|(?P<exponent>(?<=[0#?.])E[+-])|"
    r"(?P<date>y+|(?<![0#?])e+|m+|d+|h+|s+(?:\.0+)?)|(?P<digit>[0#?])|(?P<symbol>[.,%@/])|(?P<literal>.)",
    re.IGNORECASE | re.DOTALL,
)
"""The tokens of a format. Programs write formats of at most 255 characters, which bounds the pieces in brackets."""
_LONG_DATE, _LONG_TIME = "F800", "F400"


class Token(NamedTuple):
    """A piece of a format; its kind is the name of a group of the regular expression, or ``literal``."""

    kind: str
    text: str


class Section(NamedTuple):
    """A part of a format between semicolons."""

    tokens: Sequence[Token]
    condition: tuple[str, float] | None
    indian: bool
    """Whether digits are grouped as in 12,34,567."""
    locale: Locale = DEFAULT_LOCALE

    @property
    def is_date(self) -> bool:
        """Whether the section shows a date, a time or a duration."""
        return any(token.kind in ("date", "elapsed") for token in self.tokens)


@lru_cache(maxsize=1000)
def sections_of(number_format: str) -> tuple[Section, ...]:
    """Return the sections of a format, at least one."""
    sections: list[Section] = []
    tokens: list[Token] = []
    condition: tuple[str, float] | None = None
    groups_as_indian = "#,##,##" in number_format
    indian, shown_in = groups_as_indian, DEFAULT_LOCALE
    for match in _TOKEN.finditer(number_format):
        if match[0] == ";":
            sections.append(Section(_with_minutes(tokens), condition, indian, shown_in))
            tokens, condition, indian, shown_in = [], None, groups_as_indian, DEFAULT_LOCALE
            continue
        locale = match["locale"] or ""
        if locale.removeprefix("x-sysdate") != locale or locale == _LONG_DATE:
            tokens = _tokens_of("d mmmm yyyy")
            break
        if locale == _LONG_TIME or locale.startswith("x-systime"):
            tokens = _tokens_of("h:mm:ss AM/PM")
            break
        if match["condition"]:
            condition = (match["condition"], float(match["limit"]))
        if locale:
            named = locale_of(locale)
            indian = indian or named.is_indian
            # The language of a currency gives only the digits.
            shown_in = shown_in._replace(zero=max(shown_in.zero, named.zero)) if match["currency"] else named
        if match["hijri"]:
            shown_in = shown_in._replace(is_gregorian=False)
        if (token := _token(match)) and not (_is_filler(match) and tokens and tokens[-1].text.endswith(" ")):
            tokens.append(token)
    sections.append(Section(_with_minutes(tokens), condition, indian, shown_in))
    return tuple(sections)


def _tokens_of(number_format: str) -> list[Token]:
    return [token for match in _TOKEN.finditer(number_format) if (token := _token(match))]


def _token(match: re.Match[str]) -> Token | None:
    kind = match.lastgroup
    if kind in ("locale", "currency"):
        return Token("literal", match["currency"] or "")
    if kind in ("quoted", "escaped", "literal"):
        return Token("literal", match[kind])
    if kind == "elapsed":
        return Token(kind, match[kind].replace("]", ""))
    if kind in ("general", "ampm", "exponent", "date", "digit", "symbol"):
        text = match[kind]
        if kind == "date":
            # e is the year too, in formats of East Asia.
            text = "yyyy" if text[0] in "eE" else text.lower()
        return Token(kind, text)
    # A blank as wide as a character separates a sign or a currency from the digits.
    return Token("literal", " ") if match[0].startswith("_") or match[0] == "* " else None


def _is_filler(match: re.Match[str]) -> bool:
    """Return whether a piece shows only a blank, so that a blank beside it is left out."""
    return match[0].startswith(("_", "* "))


def _with_minutes(tokens: Sequence[Token]) -> Sequence[Token]:
    """Mark each ``m`` that means minutes, not months: after hours, and before seconds."""
    times = [index for index, token in enumerate(tokens) if token.kind in ("date", "elapsed")]
    marked = list(tokens)
    for position, index in enumerate(times):
        before = marked[times[position - 1]].text[0].lower() if position else ""
        after = tokens[times[position + 1]].text[0].lower() if position + 1 < len(times) else ""
        if tokens[index].kind == "date" and tokens[index].text in ("m", "mm") and (before == "h" or after == "s"):
            marked[index] = Token("date", tokens[index].text.upper())
    return marked
