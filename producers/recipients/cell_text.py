"""Removes additions of exporters from the text of a cell: blanks, guards, and traces of other formats."""

import re
from collections.abc import Sequence
from decimal import Decimal
from operator import eq

from producers.recipients.values import single_text

_INVISIBLE = "\u200b\u2060\ufeff\u00ad\u061c\u180e\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_INVISIBLE += "\u115f\u1160\u2800\u3164\uffa0"
"""Characters without width that copying leaves around a text. Joiners are missing, because words in Hindi need them."""
_BLANKS = (
    " \t\r\n\v\f\x1c\x1d\x1e\x1f\x85\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
)
_BLANKS += "\u2028\u2029\u202f\u205f\u3000"
_ASCII_BLANKS = "".join(filter(str.isascii, _BLANKS)).encode()
_AROUND = _BLANKS + _INVISIBLE

_FORMULA_GUARD = re.compile(r'=(?:T\()?"((?:[^"]|"")*)"\)?', re.DOTALL)
_NUMBER_GUARD = re.compile(r"=([+-]?[0-9][0-9.,]*)")
_ESCAPED_CONTROL = re.compile("_x00(?:0[0-9A-F]|1[0-9A-F])_")
"""The form in which Excel's files write a control character, such as the carriage return of Alt+Enter."""
_MIDNIGHT = re.compile(
    r"((?:[A-Za-z]{3,9}, )?(?:\d{4}[-/.]\d\d[-/.]\d\d|\d\d?[-/. ](?:\d\d?|[A-Za-z]{3,9})[-/. ](?:\d{4}|\d\d)"
    r"|[A-Za-z]{3,9} {1,2}\d\d?,? \d{4}|\d\d[A-Z]{3}\d{4}(?=:)|\d{8}(?= 00:00:00)))"
    r"(?:(?:[T ]|(?<=[A-Z]{3}\d{4}):|(?<=\d{4}-\d\d-\d\d)-)0?0[:.]00(?:[:.]00(?:\.0+)?)?"
    r"(?: ?Z| UTC| GMT| IST| ?[+-]\d\d(?::?\d\d)?(?: [A-Z]{3,4})?(?: m=[+-][0-9.]+)?| Asia/Kolkata)?"
    r"(?:\[[\w/]{1,30}\])?"
    r"|,?(?: at)? 12[:.]00(?:[:.]00(?:[.:]0+)?)? ?AM)",
    re.IGNORECASE,
)
_DAY_ZERO = re.compile(
    r"(?:1899-12-3[01]|1900-01-00|3[01][-/.]12[-/.]1899|12[-/]3[01][-/]1899)[T ]"
    r"(?!0?0:00)(\d\d?:\d\d(?::\d\d)?)(?:\.0+)?((?<=:00)Z|(?<=:00\.000)Z| ?[AP]M)?",
    re.IGNORECASE,
)
_UNIX_MIDNIGHT = re.compile(
    r"((?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d)( \d{4})? 00:00:00"
    r"(?: [A-Z]{3,4}(?:[+]\d{4})?(?: \([A-Za-z ]{1,40}\))?)?( \d{4})?"
)
"""The form of Unix, Java and JavaScript: ``Fri Nov 27 00:00:00 IST 2026``."""
_UNIX_DAY_ZERO = re.compile(r"[A-Z][a-z]{2} Dec 3[01] (\d\d:\d\d:\d\d)(?: [A-Z]{3,4})? 1899")
"""A time of day of a spreadsheet, as Java writes it: ``Sat Dec 30 18:45:00 IST 1899``."""
_ISO_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:\.\d+)?(?: ?[+]05:?30(?: IST|\[Asia/(?:Kolkata|Calcutta)\])?)?"
)
"""A date and time of a program, in no zone or in India's, as ``2026-11-30T10:30:00.000``."""
_MOMENT_WITH_FRACTION = re.compile(
    r"(\d{1,4}[-/.](?:\d\d?|[A-Za-z]{3})[-/.]\d{2,4} \d\d?(?::\d\d:\d\d|\.\d\d\.\d\d))[.:]\d{3,9}"
    r"( [AP]M)?(?: [+]05:30| Asia/(?:Kolkata|Calcutta))?",
    re.IGNORECASE,
)
"""A date and time of SQL Server or Oracle: ``30-NOV-26 10.30.00.123456789 AM``."""
_TIME_WITH_ZEROS = re.compile(r"(\d\d:\d\d:\d\d)\.0+")
"""A time of day of SQL Server: ``10:30:00.0000000``."""
_PANDAS_DURATION = re.compile(r"0 days (\d\d:\d\d:\d\d)(?:\.(\d+))?")
"""A duration below a day, as pandas writes it: ``0 days 01:30:00``."""
_MAY_BE_MOMENT = re.compile(
    "0[:.]00|12[:.]00|1899|1900-|[0-9]T[0-9][0-9]:|:[0-9][0-9]\\.[0-9]|:[0-9][0-9]:[0-9]{3}|[+]05:?30|0 days "
).search
_LONG_FLOAT = re.compile(
    r"(?P<before>(?:(?:Rs\.?|INR|[₹$€£]) ?)?[+-]?)(?P<whole>[0-9]{1,9}|[0-9]{1,3}(?:,[0-9]{2,3}){1,3})"
    r"(?P<decimals>\.[0-9]{9,25})(?P<after> ?(?:%|/-|Rs\.?|INR|₹)?)",
    re.IGNORECASE,
)
"""A float of a program, also as money or as a percentage: ``Rs 824.8199999999999``."""
_LONG_DECIMALS = re.compile(r"\.[0-9]{9}|\.[0-9][0-9]\.[0-9][0-9]\.[0-9]").search
"""Finds long floats, and also times of Oracle."""
_FLOAT_DIGITS = 15

_INVISIBLE_UNICODE = tuple(_INVISIBLE)


def tidy_cells(cells: Sequence[str]) -> Sequence[str]:
    """Tidy many cells; for cells that are tidy already, this costs much less than ``tidy`` for each cell."""
    joined = "\n".join(cells)
    if not _may_be_untidy(joined) and (
        _has_no_blanks(joined, len(cells)) or all(map(eq, map(str.strip, cells), cells))
    ):
        return cells
    return list(map(tidy, cells))


def _has_no_blanks(joined: str, cells: int) -> bool:
    """Return whether cells that are joined by line breaks certainly contain no blank."""
    return joined.isascii() and len(joined.encode().translate(None, _ASCII_BLANKS)) == len(joined) - cells + 1


def _may_be_untidy(joined: str) -> bool:
    """Return whether a cell, of cells joined by line breaks, may have other things around its text than blanks."""
    return (
        "'" in joined
        or "=" in joined
        or ((":" in joined or ".00" in joined) and _MAY_BE_MOMENT(joined) is not None)
        or ("." in joined and _LONG_DECIMALS(joined) is not None)
        or "_x00" in joined
        or (not joined.isascii() and any(character in joined for character in _INVISIBLE_UNICODE))
    )


def tidy(cell: str) -> str:
    """Return the text that a person sees in a cell.

    Blanks and invisible characters around the text are removed, and also the guards that keep a spreadsheet from
    changing a value: an apostrophe before the value, or ``="…"`` around the value. A date at midnight loses its
    time. A date and time in a program's form loses its ``T`` and its fractions of a second; a duration keeps its
    fractions. A time loses the first day of the spreadsheet's calendar. A float loses the digits that come from
    rounding: 824.8199999999999 becomes 824.82.
    """
    text = cell.strip(_AROUND)
    if "_x00" in text:
        text = _ESCAPED_CONTROL.sub(" ", text).strip(_AROUND)
    if text.startswith(("'", "=")):
        text = _without_guard(text).strip(_AROUND)
    if text[:1].isdigit() or text[:1] in "+-" or "00:00" in text or text[-2:] in ("00", "AM", "am", "99"):
        if match := _MIDNIGHT.fullmatch(text) or _UNIX_DAY_ZERO.fullmatch(text) or _TIME_WITH_ZEROS.fullmatch(text):
            return match[1]
        if time := _DAY_ZERO.fullmatch(text) or _MOMENT_WITH_FRACTION.fullmatch(text):
            return time[1] + (time[2] or "").upper().removesuffix("Z")
        if midnight := _UNIX_MIDNIGHT.fullmatch(text):
            return f"{midnight[1]}{midnight[2] or midnight[3] or ''}"
        if moment := _ISO_MOMENT.fullmatch(text):
            return f"{moment[1]} {moment[2]}"
        if duration := _PANDAS_DURATION.fullmatch(text):
            fraction = (duration[2] or "").rstrip("0")
            text = f"{duration[1]}.{fraction.ljust(3, '0')}" if fraction else duration[1]
    if "." in text and (number := _LONG_FLOAT.fullmatch(text)):
        return _short_float(number)
    return text


def _without_guard(text: str) -> str:
    if text.startswith("'"):
        # A text in apostrophes is not changed: 'Asha' is not the guarded text Asha'.
        return text if len(text) > 1 and text.endswith("'") else _without_guard(text[1:])
    if guarded := _FORMULA_GUARD.fullmatch(text):
        return guarded[1].replace('""', '"')
    if guarded := _NUMBER_GUARD.fullmatch(text):
        return guarded[1]
    return text


def _short_float(number: re.Match[str]) -> str:
    whole = number["whole"].replace(",", "")
    short, point, decimals = _rounded(single_text(f"{whole}{number['decimals']}")).partition(".")
    if len(short) != len(whole) and whole != number["whole"]:
        return number[0]  # the groups of digits would change
    digits = iter(short)
    grouped = "".join("," if sign == "," else next(digits) for sign in number["whole"]) if "," in number[0] else short
    return f"{number['before']}{grouped}{point}{decimals}{number['after']}"


def _rounded(text: str) -> str:
    number = Decimal(text)
    if len(number.as_tuple().digits) < _FLOAT_DIGITS:
        return text
    shorter = format(Decimal(format(float(number), f".{_FLOAT_DIGITS - 1}g")), "f")
    if "." in shorter:
        shorter = shorter.rstrip("0").rstrip(".")
    # Rounding removes a run of zeros or nines, which only a program's float has.
    return shorter if len(shorter) + 4 < len(text) else text
