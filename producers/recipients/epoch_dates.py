"""Recognises dates that a program wrote as milliseconds since 1970, as pandas' ``to_json`` and JavaScript do."""

import re
from typing import Final

EPOCH_DATE: Final = (
    "is a date as milliseconds or seconds since 1970, as pandas and JavaScript write it: "
    "write it as a text (pandas: to_json(date_format='iso'))"
)

_DAY_MS: Final = 86_400_000
_FROM_2000_MS: Final = range(946_684_800_000, 4_102_444_800_000)
_FROM_1900_MS: Final = range(-2_208_988_800_000, 4_102_444_800_000)
_FROM_2001_S: Final = range(1_000_000_000, 4_102_444_800)
_MIN_MS: Final = 10_000_000_000
"""Smaller numbers of milliseconds, for dates from January to April 1970, may be other numbers than dates."""
_INDIAN_NUMBERS: Final = range(916_000_000_000, 920_000_000_000)
_WHOLE_NUMBER: Final = re.compile("-?[0-9]{10,13}", re.ASCII)
_CALENDAR: Final = re.compile(
    "(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[01][0-9]|2[0-3])(?:[0-5][0-9])?", re.ASCII
)
"""Numbers such as 2026113010 and 202611301030, which people read as a date and an hour."""
_WORDS: Final = re.compile("[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\\W\\d_a-zA-Z]+(?:[\u0900-\u0dff]+)*")
_DATE_WORDS: Final = frozenset(
    (
        *("date", "dates", "datetime", "time", "timestamp", "dt", "ts", "dob", "doj", "doa", "dod", "birthday", "bday"),
        *("birthdate", "anniversary", "expiry", "expires", "expiration", "deadline", "dated"),
        *("दिनांक", "तारीख", "तिथि", "समय"),
    )
)
_LAST_WORDS: Final = frozenset(("at", "on", "till", "until", "upto"))


def names_date(column: str) -> bool:
    """Return whether the name of a column says that its values are dates or times: due_date, createdAt, DOB."""
    words = [word.lower() for word in _WORDS.findall(column)]
    return not _DATE_WORDS.isdisjoint(words) or (len(words) > 1 and words[-1] in _LAST_WORDS)


def is_epoch_in_date_column(cell: str) -> bool:
    """Return whether a cell of a column of dates is a number of milliseconds or of seconds since 1970."""
    if not _WHOLE_NUMBER.fullmatch(cell) or _CALENDAR.fullmatch(cell):
        return False
    value = int(cell)
    return value in _FROM_2001_S or (abs(value) >= _MIN_MS and value in _FROM_1900_MS)


def is_midnight(value: int) -> bool:
    """Return whether a number is a date in milliseconds in any column; of other numbers, one in 86 million matches."""
    return value % _DAY_MS == 0 and abs(value) >= _MIN_MS and value in _FROM_1900_MS and value not in _INDIAN_NUMBERS


def is_whole_second(value: int) -> bool:
    """Return whether a number may be a moment from 2000 on, in milliseconds and without a part of a second."""
    return value in _FROM_2000_MS and value % 1000 == 0
