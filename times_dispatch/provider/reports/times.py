"""Reads the times in reports, in all forms that providers use."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import unquote

INDIA: Final = timezone(timedelta(hours=5, minutes=30))
"""The zone of a time without a zone: providers that write such times are Indian."""

_NUMBER = re.compile("[0-9]{1,19}(?:[.][0-9]{1,9})?")
_DIGITS = re.compile("20[0-9]{12}")
_SMPP = re.compile("[2-9][0-9][01][0-9][0-3][0-9](?:[0-9]{2}){2,3}")
"""A time whose year has two digits, as in SMPP's receipts. As epoch seconds or milliseconds, such a number would be a
time before 2001 or after 2049, which no report has.
"""
MIN_SMPP_S: Final = 25 * 10**8
_SMPP_S: Final = range(MIN_SMPP_S, 100 * 10**8)
_SMPP_MS: Final = range(20 * 10**10, 100 * 10**10)
_TIME = r"(?:at )?(?P<time>[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?:[.][0-9]{1,9})?)(?: ?(?P<half>[AP])M)?"
_ZONE = r"(?: ?(?P<zone>(?:UTC|GMT)?[+-][0-9]{2}:?[0-9]{2}|Z|UTC|GMT|IST)(?: \([A-Za-z ]{1,40}\))?)?"
_DAY, _MONTH, _YEAR = "(?P<day>[0-9]{1,2})", "(?P<month>[A-Za-z]{3,9})", "(?P<year>20[0-9]{2})"
_NAMED_MONTHS: Final = tuple(
    re.compile(form, re.ASCII | re.IGNORECASE)
    for form in (
        rf"{_DAY}[ -]{_MONTH}[ -](?P<year>(?:20)?[0-9]{{2}}),? {_TIME}{_ZONE}",
        rf"(?:[A-Z]{{3}},? )?{_MONTH} {_DAY},? {_YEAR},? {_TIME}{_ZONE}",
        rf"[A-Z]{{3}} {_MONTH} +{_DAY} {_TIME}{_ZONE} {_YEAR}",
    )
)
"""The forms 22-Nov-2026 10:30 and Nov 22, 2026 10:30:00 AM (also of JavaScript), and the forms of C and Java."""
_NUMBERED = re.compile(rf"([0-9]{{1,2}})([/.-])([0-9]{{1,2}})\2{_YEAR},? {_TIME}{_ZONE}", re.ASCII | re.IGNORECASE)
"""The form 21/11/2026 23:56:40, in which the day or the month may come first."""
_DOT_NET = re.compile(r"/Date\(([0-9]{12,13})(?:[+-][0-9]{4})?\)/")
_ISO_BASIC = re.compile(r"(20[0-9]{6})[T ]([0-9]{2}):?([0-9]{2}):?([0-9]{2})(Z|[+-][0-9]{2}:?[0-9]{2})?", re.IGNORECASE)
_NAMED_ZONE = re.compile(r"\[[A-Za-z_/]{3,40}\]\Z|(?<=[+-][0-9]{4}) (?:UTC|IST)\Z")
"""A zone after an offset, which says the same: ``[Asia/Kolkata]`` in Java, `` IST`` in Go."""
_ORACLE = re.compile(
    r"([0-9]{1,2}-[A-Z]{3}-[0-9]{2} [0-9]{1,2})[.]([0-9]{2})[.]([0-9]{2}(?:[.][0-9]{1,9})?)", re.IGNORECASE
)
_SMPP_ABSOLUTE = re.compile("([0-9]{12})[0-9]([0-9]{2})([+-])")
"""``261122035640022+``: tenths of a second, and quarters of an hour ahead of UTC (SMPP, section 7.1.1.1)."""
_MARKS: Final = dict.fromkeys(map(ord, "\u200e\u200f\u202a\u202c\ufeff"))
"""Invisible characters that browsers write around the parts of a date."""
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONG_MONTHS: Final = (
    *("january", "february", "march", "april", "june", "july", "august", "sept", "september"),
    *("october", "november", "december"),
)
_ISO = re.compile(
    r"(?P<date>[0-9]{4}[-/][0-9]{2}[-/][0-9]{2})[T +]"
    r"(?P<time>[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?)(?:(?<=:[0-9]{2}:[0-9]{2})[.,:][0-9]{1,9})?"
    r"(?: (?P<half>[AP])M)? ?(?P<zone>Z|UTC|GMT|IST|Asia/(?:Kolkata|Calcutta)|[+-]?[0-9]{2}:?[0-9]{2}"
    r"|[+-][0-9]{2})?",
    re.ASCII | re.IGNORECASE,
)
_RFC_5322 = re.compile(
    r"(?:[A-Za-z]{3}, )?[0-9]{1,2} [A-Za-z]{3} (?:20)?[0-9]{2} [0-9:]{5,8} (?:GMT|UT|[+-][0-9]{4})", re.ASCII
)
_ZONES: Final = {"Z": UTC, "UTC": UTC, "GMT": UTC, "IST": INDIA, "ASIA/KOLKATA": INDIA, "ASIA/CALCUTTA": INDIA}
_SECONDS_AND_FRACTION: Final = (
    {"seconds"},
    {"seconds", "nanos"},
    {"seconds", "nanoseconds"},
    {"_seconds"},
    {"_seconds", "_nanoseconds"},
)
"""The fields of a time of Protocol Buffers and of Firestore."""
_MAX_TEXT: Final = 200
"""The maximum length of a time as a text. Longer texts are no times, and the search in a mebibyte would hold up all
threads."""
_MAX_S: Final = 2**32
_MAX_QUARTERS: Final = 48
_MONTHS_OF_YEAR: Final = len(_MONTHS)
_UNITS: Final = ((1, 10**11), (10**3, 10**13), (10**6, 10**16), (10**9, 10**19))
"""For each unit, the number of units in a second, and the number below which a time is in this unit."""


def epoch_s(value: object) -> int | None:
    """Return a time in epoch seconds, at least 0 and below 2**32; None if the meaning is not certain.

    The function reads numbers of seconds, milliseconds, microseconds and nanoseconds, also as texts, ISO 8601 with date
    and time, ``20261126103000``, ``2611261030`` as in SMPP's receipts, ``26-Nov-2026 10:30``, ``26/11/2026 10:30`` if
    the day is above 12 or equal to the month, the dates of e-mails, and the forms of JavaScript, Java, .NET and
    MongoDB.
    """
    while isinstance(value, dict) and list(value) in (["$date"], ["$numberLong"]):
        (value,) = value.values()
    if isinstance(value, dict) and set(value) in _SECONDS_AND_FRACTION:
        value = next(iter(value[name] for name in ("seconds", "_seconds") if name in value))
    if isinstance(value, str):
        value = _of_text(_plain(value)) if len(value) <= _MAX_TEXT else None
    elif isinstance(value, int) and (20 * 10**12 <= value < 21 * 10**12 or value in _SMPP_S or value in _SMPP_MS):
        value = _of_text(str(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    per_second = next((unit for unit, limit in _UNITS if value <= limit), None)
    if per_second is None:
        return None
    seconds = value // per_second
    return int(seconds) if 0 <= seconds < _MAX_S else None


def _plain(text: str) -> str:
    """Return a time without percent-encoding, invisible characters and quotes, and with plain blanks."""
    if "%20" in text or "%3A" in text.upper():
        text = unquote(text)
    return " ".join(text.translate(_MARKS).split()).strip("\"' ")


def _of_text(text: str) -> int | float | None:
    if _DIGITS.fullmatch(text):
        return _of_fields(f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[8:10]}:{text[10:12]}:{text[12:]}", "")
    if _SMPP.fullmatch(text) and (int(text) in _SMPP_S or int(text) in _SMPP_MS):
        pairs = [text[at : at + 2] for at in range(0, len(text), 2)]
        return _of_fields(f"20{'-'.join(pairs[:3])}T{':'.join(pairs[3:])}", "")
    if match := _SMPP_ABSOLUTE.fullmatch(text):
        return _of_smpp(*match.groups())
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return _of_date(text)


def _of_date(text: str) -> float | None:
    if match := _DOT_NET.fullmatch(text):
        return int(match[1]) / 1000
    text = _ORACLE.sub(r"\1:\2:\3", _NAMED_ZONE.sub("", text))
    if match := _ISO_BASIC.fullmatch(text):
        return _of_fields(f"{match[1]}T{match[2]}{match[3]}{match[4]}", (match[5] or "").upper())
    if match := _ISO.fullmatch(text):
        time = _of_24_hours(match["time"], match["half"])
        zone = (match["zone"] or "").upper()
        if zone[:1].isdecimal():
            zone = "+" + zone  # a form turns an unescaped plus into a blank
        return _of_fields(f"{match['date'].replace('/', '-')}T{time}", zone)
    if _RFC_5322.fullmatch(text):
        with suppress(ValueError, OverflowError):
            moment = parsedate_to_datetime(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()  # -0000 is UTC
    if match := _NUMBERED.fullmatch(text):
        return _of_numbers(match)
    match = next(filter(None, (form.fullmatch(text) for form in _NAMED_MONTHS)), None)
    return _of_named_month(match) if match else None


def _of_smpp(digits: str, quarters: str, sign: str) -> float | None:
    pairs = [digits[at : at + 2] for at in range(0, 12, 2)]
    local_s = _of_fields(f"20{'-'.join(pairs[:3])}T{':'.join(pairs[3:])}", "Z")
    if local_s is None or int(quarters) > _MAX_QUARTERS:
        return None
    return local_s - int(f"{sign}{quarters}") * 900


def _of_numbers(match: re.Match[str]) -> float | None:
    """Read a date whose day is above 12 or equal to the month; whether the day comes first is not certain otherwise."""
    month, day = sorted((int(match[1]), int(match[3])))
    if day <= _MONTHS_OF_YEAR and day != month:
        return None
    return _of_day(f"{match['year']}-{month:02}-{day:02}", match)


def _of_named_month(match: re.Match[str]) -> float | None:
    name = match["month"].lower()
    if name[:3] not in _MONTHS or not (len(name) == 3 or name in _LONG_MONTHS):
        return None
    month = _MONTHS.index(name[:3]) + 1
    return _of_day(f"20{match['year'][-2:]}-{month:02}-{match['day']:0>2}", match)


def _of_day(date: str, match: re.Match[str]) -> float | None:
    """Read the time and the zone that follow a date."""
    zone = (match["zone"] or "").upper()
    if zone not in _ZONES:
        zone = zone.removeprefix("UTC").removeprefix("GMT")
    return _of_fields(f"{date}T{_of_24_hours(match['time'], match['half'])}", zone)


def _of_24_hours(time: str, half: str | None) -> str:
    """Return a time with two digits for the hour; ``half`` is A before noon, P after noon, None in 24 hours."""
    hour, _, rest = time.partition(":")
    if half is None:
        return f"{hour:0>2}:{rest}"
    if not 1 <= int(hour) <= 12:
        return ""
    return f"{int(hour) % 12 + (12 if half.upper() == 'P' else 0):02}:{rest}"


def _of_fields(date_and_time: str, zone: str) -> float | None:
    try:
        time = datetime.fromisoformat(date_and_time + ("" if zone in _ZONES else zone))
        return (time if time.tzinfo else time.replace(tzinfo=_ZONES.get(zone, INDIA))).timestamp()
    except (ValueError, OverflowError):
        return None
