"""Turns a date, a time or a duration of a spreadsheet into a text by its cell's format: 46356 is 30-Nov-2026."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta

from producers.recipients.values import ValueDamaged
from producers.recipients.workbook.format_tokens import Token
from producers.recipients.workbook.locales import DEFAULT_LOCALE, ENGLISH, Locale

_MONTHS = {
    "en": (
        *("January", "February", "March", "April", "May", "June", "July"),
        *("August", "September", "October", "November", "December"),
    ),
    "hi": (
        *("जनवरी", "फरवरी", "मार्च", "अप्रैल", "मई", "जून", "जुलाई"),
        *("अगस्त", "सितम्बर", "अक्तूबर", "नवम्बर", "दिसम्बर"),
    ),
}
"""The names of months by language. Windows has no short names in Hindi."""
_DAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "hi": ("सोमवार", "मंगलवार", "बुधवार", "गुरुवार", "शुक्रवार", "शनिवार", "रविवार"),
}
_DAY_IN_HINDI = "वार"
_NAMED = (3, 4, 5)
"""The numbers of letters in a format that stand for the name of a month or a day."""
_S_PER_DAY = 86_400
_US_PER_S = 1_000_000
_UNITS_S = {"h": 3600, "m": 60, "s": 1}
_UNITS_IN_NEXT = {"h": 24, "m": 60, "s": 60}
_MAX_SERIAL = 2_958_466
"""The day after 31 December 9999."""
_LEAP_DAY = 60
"""The serial of 29 February 1900, a day that exists only in spreadsheets; earlier serials are one day late."""
_WEEKDAY_OF_ZERO = 5
"""The weekday of serial 1, a Sunday in sheets: a number from 1 to 7 with the format dddd shows a day of the week."""
DAY_ZERO = "1900-01-00"
"""The text of serial 0, which is no date, in every format."""
_DAY_TOKENS = (Token("date", "d"), Token("date", "dd"))
_UNKNOWN_NAMES = (
    "is a date with the name of a month or day in a language that is not known here: "
    "format the column as dd-mm-yyyy, or as text"
)
_OTHER_CALENDAR = (
    "is a date in a calendar that is not known here, such as the Hijri calendar: "
    "format the column as dd-mm-yyyy, or as text"
)
_NO_DATE = "is no date, although it is formatted as one"


def show_duration(days: float, tokens: Sequence[Token]) -> str:
    """Return the text of a duration, by a format such as ``[h]:mm``."""
    seconds, microseconds = divmod(_microseconds(abs(days), tokens), _US_PER_S)
    shown = ""
    for token in tokens:
        unit = token.text[:1].lower()
        length = len(token.text.partition(".")[0])
        if token.kind == "elapsed":
            shown += f"{seconds // _UNITS_S[unit]:0{length}}{_decimals(token, microseconds)}"
        elif token.kind == "date" and unit in _UNITS_S:
            number = seconds // _UNITS_S[unit] % _UNITS_IN_NEXT[unit]
            shown += f"{number:0{min(length, 2)}}{_decimals(token, microseconds)}"
        elif token.kind == "literal":
            shown += token.text
    return ("-" if days < 0 else "") + shown


def show_moment(serial: float, tokens: Sequence[Token], locale: Locale = DEFAULT_LOCALE) -> str:
    """Return the text of a date and time, given as days since 30 December 1899; after a date, midnight is left out.

    The text of serial 0 is ``DAY_ZERO``. Raises ValueDamaged if the number is no date, if the format has the name of a
    month or day and the language of ``locale`` is not known, or if the format shows a date in another calendar.
    """
    language = locale.language
    units = {token.text[0] for token in tokens if token.kind == "date"}
    has_date, has_time = bool(units & set("ymd")), bool(units & set("hsM"))
    if not 0 <= serial < _MAX_SERIAL:
        raise ValueDamaged(_NO_DATE)
    if has_date and (serial == 0 or (serial < 1 and not has_time)):
        return DAY_ZERO
    if has_date and not locale.is_gregorian:
        raise ValueDamaged(_OTHER_CALENDAR)
    microseconds = _microseconds(serial, tokens)
    moment = datetime(1899, 12, 30) + timedelta(microseconds=microseconds)  # noqa: DTZ001
    if 1 <= serial < _LEAP_DAY:
        moment += timedelta(days=1)
    if has_date and serial < 1:
        tokens = _only(tokens, "hsM")
    elif has_date and has_time and moment.time() == time():
        tokens = _only(tokens, "ymd")
    twelve_hours = any(token.kind == "ampm" for token in tokens)
    if int(serial) == _LEAP_DAY:
        tokens = [Token("literal", "29") if token in _DAY_TOKENS else token for token in tokens]
    weekday = (microseconds // (_S_PER_DAY * _US_PER_S) + _WEEKDAY_OF_ZERO) % 7
    if not language and any(
        token.text[0] in "md" and len(token.text) in _NAMED for token in tokens if token.kind == "date"
    ):
        raise ValueDamaged(_UNKNOWN_NAMES)
    return "".join(_part(token, moment, weekday, language, twelve_hours=twelve_hours) for token in tokens)


def _microseconds(days: float, tokens: Sequence[Token]) -> int:
    """Return days in microseconds, rounded to the decimals of a second that a format shows.

    The number of a moment is not exact: 10:30 is stored as 0.4374999.
    """
    decimals = max(
        (len(token.text.partition(".")[2]) for token in tokens if token.kind in ("date", "elapsed")), default=0
    )
    unit: int = 10 ** max(6 - decimals, 0)
    return round(days * _S_PER_DAY * _US_PER_S / unit) * unit


def _decimals(token: Token, microseconds: int) -> str:
    """Return the decimals of the seconds that a format shows: ``.250`` for ``ss.000``."""
    decimals = len(token.text.partition(".")[2])
    return f".{microseconds:06}"[: decimals + 1] if decimals else ""


def _only(tokens: Sequence[Token], units: str) -> Sequence[Token]:
    """Return the tokens from the first token of these units to the last one."""
    shown = [index for index, token in enumerate(tokens) if token.kind == "date" and token.text[0] in units]
    end = shown[-1] + 1
    if "h" in units:
        end = max([end, *(index + 1 for index, token in enumerate(tokens) if token.kind == "ampm")])
    return tokens[shown[0] : end]


def _part(token: Token, moment: datetime, weekday: int, language: str, *, twelve_hours: bool) -> str:
    """Return the text that a cell shows for one token of its format.

    Args:
        token: the token.
        moment: the date and time of the cell.
        weekday: the day of the week, from 0 for Monday.
        language: the language of the names of months and days.
        twelve_hours: whether hours are counted from 1 to 12.
    """
    if token.kind == "ampm":
        is_pm = moment.hour >= 12
        if len(token.text) == len("A/P"):
            return token.text[2] if is_pm else token.text[0]  # in the case of the format, unlike AM/PM
        return "PM" if is_pm else "AM"
    if token.kind != "date":
        return token.text if token.kind in ("literal", "symbol", "digit") else ""
    length = len(token.text.partition(".")[0])
    hour = (moment.hour % 12 or 12) if twelve_hours else moment.hour
    numbers = {"m": moment.month, "d": moment.day, "h": hour, "M": moment.minute, "s": moment.second}
    match token.text[0]:
        case "y":
            text = f"{moment.year:04}" if length > len("yy") else f"{moment.year % 100:02}"
        case "m" if length > len("mm"):
            text = _month(moment.month, language, length)
        case "d" if length > len("dd"):
            text = _day(weekday, language, length)
        case unit:
            text = f"{numbers[unit]:0{min(length, 2)}}{_decimals(token, moment.microsecond)}"
    return text


def _month(month: int, language: str, length: int) -> str:
    name = _MONTHS[language][month - 1]
    short = name[:3] if language == ENGLISH else name
    return {3: short, 5: name[0]}.get(length, name)


def _day(weekday: int, language: str, length: int) -> str:
    name = _DAYS[language][weekday]
    if length != len("ddd"):
        return name
    return name[:3] if language == ENGLISH else f"{name.removesuffix(_DAY_IN_HINDI)}."
