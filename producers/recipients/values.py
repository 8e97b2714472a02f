"""Turns values of files, such as dates and floats, into the texts that a person sees in a sheet, for all formats."""

import math
import struct
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

MAX_DIGITS = 15
"""The greatest number of digits of a whole number that a double and a spreadsheet always keep."""
LOST_DIGITS = (
    f"is a number of more than {MAX_DIGITS} digits, the last of which may be lost: "
    "format the column as text, and enter the value again"
)
_MAX_DECIMALS_OF_AMOUNT = 3
_MIN_AMOUNT_OF_LOST_DIGITS = 10**12
_MAX_DECIMALS = 40
"""The greatest number of digits after the point of a number in JSON."""
_MAX_WHOLE_FLOAT32 = 2**24
_MIN_LOST_DIGITS = 4
_SINGLE_DECIMALS = range(9, 20)
"""How many decimals programs write for a four-byte float that they converted to a double."""
_NOT_TEXT = "holds bytes that are no text"


class ValueDamaged(ValueError):
    """A value that has no text. The message is the reason, to be written after the name of the column."""


def text_of(value: object) -> str:
    """Return a value as text; None and NaN, which files use for a missing value, are an empty text.

    A date becomes 2026-11-08, a date and time 2026-11-08 10:30:00 or without its time at midnight, a whole float 1250.
    Raises ValueDamaged if the value has lost digits, is infinite, or is of a kind that has no text.
    """
    writer = _WRITERS.get(type(value))
    if writer is None:
        raise ValueDamaged("holds neither a text nor a number")
    return writer(value)


def float_text(value: float) -> str:
    """Return a double with the digits that are certain: 824.82 for 824.8199999999999."""
    if math.isnan(value):
        return ""
    if math.isinf(value):
        raise ValueDamaged("is infinite")
    if abs(value) >= 10**MAX_DIGITS:
        raise ValueDamaged(LOST_DIGITS)
    if value == int(value):
        return str(int(value))
    return _without_zeros(Decimal(format(value, f".{MAX_DIGITS}g")))


def short_float_text(value: float, form: str) -> str:
    """Return a float of two or four bytes in its shortest form: 824.82 for 824.8200073242188.

    ``form`` is the float's format in the module struct, ``e`` or ``f``. Raises ValueDamaged as ``float_text`` does.
    """
    if not math.isfinite(value):
        return float_text(value)
    if value == int(value):
        if abs(value) > _MAX_WHOLE_FLOAT32:
            raise ValueDamaged("is a short float, which holds seven digits: write the column as text")
        return str(int(value))
    packed = struct.pack(form, value)
    for digits in range(1, MAX_DIGITS):
        text = format(value, f".{digits}g")
        if struct.pack(form, float(text)) == packed:
            return _without_zeros(Decimal(text))
    return float_text(value)


def single_text(literal: str) -> str:
    """Return a decimal number in the shortest form of a float of four bytes, if the number is such a float.

    A program that converts such a float to a double writes 824.8200073242188, or 824.8200073242 with ten decimals,
    where the author of the file saw 824.82. Other numbers, and numbers that would lose few digits, are not changed.
    """
    exact = struct.unpack("f", struct.pack("f", float(literal)))[0]
    if abs(exact) > _MAX_WHOLE_FLOAT32:
        return literal
    decimals = len(literal.partition(".")[2])
    if Decimal(literal) not in (Decimal(repr(exact)), round(Decimal(exact), decimals)):
        return literal
    shortest = short_float_text(exact, "f")
    return shortest if len(shortest) + _MIN_LOST_DIGITS <= len(literal) else literal


def decimal_text(value: Decimal) -> str:
    """Return a decimal with all its digits after the point, as 99.50, and without an exponent."""
    if value.is_nan():
        return ""
    if value.is_infinite():
        raise ValueDamaged("is infinite")
    return format(value, "f")


def number_text(literal: str) -> str:
    """Return a number that was written in JSON, as 99.50, 499.0 or 1e2, as a person would write it.

    Digits after the point stay, except a single zero, which programs add to whole floats. Raises ValueDamaged if the
    number has more digits than readers of JSON keep.
    """
    if literal.startswith("-0") and not literal.strip("-0."):
        return "0"
    if literal.lstrip("-").isdecimal():
        if len(literal.lstrip("-")) > MAX_DIGITS:
            raise ValueDamaged(LOST_DIGITS)
        return literal
    try:
        number = Decimal(literal)
    except ArithmeticError:
        raise ValueDamaged(LOST_DIGITS) from None
    # A large exponent would make a text of millions of characters.
    if not -_MAX_DECIMALS < number.adjusted() < MAX_DIGITS:
        raise ValueDamaged(LOST_DIGITS)
    whole, _, decimals = format(number, "f").partition(".")
    if len(whole.lstrip("-")) > MAX_DIGITS:
        raise ValueDamaged(LOST_DIGITS)
    if decimals in ("", "0"):
        return whole
    if len(decimals) in _SINGLE_DECIMALS and (shorter := single_text(f"{whole}.{decimals}")) != f"{whole}.{decimals}":
        return shorter
    if len(number.as_tuple().digits) > MAX_DIGITS:
        return _double_text(float(number), decimals)
    return f"{whole}.{decimals}"


def _double_text(value: float, decimals: str = "") -> str:
    """Return a double as ``float_text`` does, but raise ValueDamaged for an amount whose last digit would be rounded.

    The decimals of a computed double are long; an amount has few.
    """
    if abs(value) >= _MIN_AMOUNT_OF_LOST_DIGITS and math.isfinite(value) and not value.is_integer():
        text = repr(value)
        decimals = decimals or text.partition(".")[2]
        if len(decimals) <= _MAX_DECIMALS_OF_AMOUNT and len(text.lstrip("-.")) > MAX_DIGITS + 1:
            raise ValueDamaged(LOST_DIGITS)
    return float_text(value)


def _moment_text(value: datetime) -> str:
    wall = value.replace(tzinfo=None, microsecond=0)
    if wall.time() == time():
        return wall.date().isoformat()
    return wall.isoformat(" ")


def _duration_text(value: timedelta) -> str:
    sign, value = ("-", -value) if value < timedelta() else ("", value)
    seconds = value.days * 86_400 + value.seconds
    fraction = _fraction_text(value.microseconds)
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"


def _fraction_text(microseconds: int) -> str:
    """Return a fraction of a second in three or six places; it is empty for none."""
    if not microseconds:
        return ""
    return f".{microseconds:06}" if microseconds % 1000 else f".{microseconds // 1000:03}"


def _bytes_text(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise ValueDamaged(_NOT_TEXT) from None
    if "\0" in text:
        raise ValueDamaged(_NOT_TEXT)
    return text


def _without_zeros(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _time_text(value: time) -> str:
    return value.replace(tzinfo=None, microsecond=0).isoformat() + _fraction_text(value.microsecond)


_WRITERS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "",
    str: str,
    bool: lambda value: str(value).upper(),
    int: str,
    float: _double_text,
    Decimal: decimal_text,
    datetime: _moment_text,
    date: date.isoformat,
    time: _time_text,
    timedelta: _duration_text,
    bytes: _bytes_text,
}
