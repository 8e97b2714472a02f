"""Turns a number of a spreadsheet into a text by the format of its cell: 0.18 with ``0%`` is 18%."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from producers.recipients.values import LOST_DIGITS, MAX_DIGITS, ValueDamaged, float_text
from producers.recipients.workbook.date_format import show_duration, show_moment
from producers.recipients.workbook.format_tokens import GENERAL, Section, Token, sections_of

_GENERAL_WIDTH = 11
"""The limit of characters for a number without a format, except for whole numbers."""
_LEAST = 1e-15
"""A smaller number without a format is a rounding error, as of 0.1 + 0.2 - 0.3, and not an amount."""
_DAYS_UNTIL_1904 = 1462
_NUMBER_SECTIONS = 3
"""The number of sections of a format for positive numbers, negative numbers and zero; a fourth is for texts."""


def show_number(value: float, number_format: str, *, from_1904: bool = False) -> str:
    """Return the text that a person sees in a cell.

    A date and time at midnight is shown without its time. A number in scientific notation is shown with its digits.

    Args:
        value: the number in the file; a date is the days since 30 December 1899.
        number_format: the format of the cell, such as ``#,##0.00``.
        from_1904: whether the workbook counts its days from 1 January 1904.

    Raises:
        ValueDamaged: the number has lost digits, or has a date format and is no date.
    """
    sections = sections_of(number_format)
    section, shown = _choose(sections, value)
    if section.is_date and any(token.kind == "digit" for token in section.tokens):
        # Rs. #,##0 is meant as "Rs. "#,##0: its s shows no seconds, and its first point is no decimal point.
        first_digit = next(index for index, token in enumerate(section.tokens) if token.kind == "digit")
        tokens = [
            token._replace(kind="literal") if index < first_digit or token.kind == "date" else token
            for index, token in enumerate(section.tokens)
        ]
        section = section._replace(tokens=tokens)
    elif section.is_date:
        return section.locale.with_digits(_show_date(value, section, from_1904=from_1904))
    if abs(value) >= 10**MAX_DIGITS:
        raise ValueDamaged(LOST_DIGITS)
    return section.locale.with_digits(_show_digits(shown, section))


def show_text(text: str, number_format: str) -> str:
    """Return the text that a person sees in a cell with a text: ``Mr. Rao`` for Rao with the format ``"Mr. "@``."""
    if number_format in ("@", GENERAL) or ("@" not in number_format and number_format.count(";") < _NUMBER_SECTIONS):
        return text
    sections = sections_of(number_format)
    tokens = sections[_NUMBER_SECTIONS if len(sections) > _NUMBER_SECTIONS else -1].tokens
    at_sign = Token("symbol", "@")
    if len(sections) <= _NUMBER_SECTIONS and at_sign not in tokens:
        return text
    return "".join(text if token == at_sign else token.text for token in tokens if token.kind in ("literal", "symbol"))


def _show_date(value: float, section: Section, *, from_1904: bool) -> str:
    if any(token.kind == "elapsed" for token in section.tokens):
        return show_duration(value, section.tokens)
    # In workbooks of both calendars, a number below 1 is a time without a day, or no date at all.
    serial = value + (_DAYS_UNTIL_1904 if from_1904 and value >= 1 else 0)
    return show_moment(serial, section.tokens, section.locale)


def _choose(sections: Sequence[Section], value: float) -> tuple[Section, float]:
    """Return the section for a value, and the value to show: the section for negative numbers shows no sign."""
    if any(section.condition for section in sections):
        for section in sections[:2]:
            if section.condition and _holds(value, *section.condition):
                return section, value
        rest = [section for section in sections if not section.condition]
        return (rest or sections)[-1], value
    if value < 0 and len(sections) > 1:
        return sections[1], -value
    if value == 0 and len(sections) > 2:
        return sections[2], value
    return sections[0], value


def _holds(value: float, sign: str, limit: float) -> bool:
    return {
        "<": value < limit,
        "<=": value <= limit,
        ">": value > limit,
        ">=": value >= limit,
        "=": value == limit,
        "<>": value != limit,
    }.get(sign, False)


def _show_general(value: float) -> str:
    text = float_text(value)
    whole = text.lstrip("-").partition(".")[0]
    if len(text.lstrip("-")) <= _GENERAL_WIDTH or "." not in text:
        return text
    decimals = max(0, _GENERAL_WIDTH - 1 - len(whole))
    rounded = format(_rounded(Decimal(text), decimals), "f")
    if not rounded.strip("-0."):
        return text if abs(value) >= _LEAST else "0"
    return rounded.rstrip("0").rstrip(".") if "." in rounded else rounded


def _show_digits(value: float, section: Section) -> str:
    tokens = section.tokens
    kinds = {token.kind for token in tokens}
    symbols = {token.text for token in tokens if token.kind == "symbol"}
    if "digit" not in kinds or "exponent" in kinds:
        shown = _show_general(value)
        if kinds & {"general", "exponent"} or "@" in symbols:
            return _around(tokens, shown)
        return "".join(token.text for token in tokens if token.kind == "literal") if tokens else ""
    if "/" in symbols and _is_fraction(tokens):
        slash = tokens.index(Token("symbol", "/"))
        rest = [token for token in tokens[slash:] if not (token.kind == "literal" and token.text.isdecimal())]
        return _around([*tokens[:slash], *rest], _show_fraction(value, tokens))
    number = Decimal(format(abs(value), f".{MAX_DIGITS}g"))
    number *= Decimal(100) ** sum(token.text == "%" for token in tokens if token.kind == "symbol")
    last_digit = max(index for index, token in enumerate(tokens) if token.kind == "digit")
    scaling = 0
    for token in tokens[last_digit + 1 :]:
        if token != Token("symbol", ","):
            break
        scaling += 1
    number /= Decimal(1000) ** scaling
    point = next((index for index, token in enumerate(tokens) if token == Token("symbol", ".")), len(tokens))
    number = _rounded(number, sum(token.kind == "digit" for token in tokens[point:]))
    whole, _, decimals = format(number, "f").partition(".")
    text = _fill_whole(tokens[:point], whole, indian=section.indian)
    text += _fill_decimals(tokens[point:], decimals)
    sign = "-" if value < 0 and number else ""
    return sign + text


def _fill_whole(tokens: Sequence[Token], digits: str, *, indian: bool) -> str:
    """Put the digits before the point into their places, from the right; extra digits go before the first place."""
    digit_tokens = [token.text for token in tokens if token.kind == "digit"]
    least = len(digit_tokens) - next(
        (index for index, text in enumerate(digit_tokens) if text == "0"), len(digit_tokens)
    )
    digits = digits.lstrip("0").rjust(least, "0")
    first = next((index for index, token in enumerate(tokens) if token.kind == "digit"), 0)
    last = max((index for index, token in enumerate(tokens) if token.kind == "digit"), default=-1)
    if Token("symbol", ",") in tokens[first:last]:
        digits = _grouped(digits, indian=indian)
    shown = ""
    remaining = list(digits)
    for index in reversed(range(len(tokens))):
        token = tokens[index]
        if token.kind == "digit":
            if index == first:
                shown = "".join(remaining) + shown
                remaining = []
            elif remaining:
                while remaining and remaining[-1] == ",":
                    shown = remaining.pop() + shown
                shown = remaining.pop() + shown
        elif token == Token("symbol", "%") or (token.kind == "literal" and (not first <= index <= last or remaining)):
            shown = token.text + shown
    return shown if digit_tokens else shown + digits  # .00 has no place before its point, and shows 12.50


def _fill_decimals(tokens: Sequence[Token], decimals: str) -> str:
    needed = [token.text for token in tokens if token.kind == "digit"]
    least = max((index + 1 for index, text in enumerate(needed) if text == "0"), default=0)
    kept = decimals.rstrip("0")
    kept = decimals[: max(len(kept), least)]
    # Excel shows the point of 0.## even without decimals; no person writes an amount as "5.".
    shown, position = ("." if kept else ""), 0
    for token in tokens:
        if token.kind == "digit":
            shown += kept[position : position + 1]
            position += 1
        elif token.kind == "literal" or token == Token("symbol", "%"):
            shown += token.text
    return shown


def _grouped(digits: str, *, indian: bool) -> str:
    if not indian or len(digits) <= 3:
        return f"{int(digits or 0):,}".rjust(len(digits), "0") if digits else digits
    head, tail = digits[:-3], digits[-3:]
    pairs = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)]
    return ",".join([*reversed(pairs), tail])


def _is_fraction(tokens: Sequence[Token]) -> bool:
    slash = tokens.index(Token("symbol", "/"))
    return (
        0 < slash < len(tokens) - 1
        and tokens[slash - 1].kind == "digit"
        and (tokens[slash + 1].kind == "digit" or tokens[slash + 1].text.isdecimal())
    )


def _show_fraction(value: float, tokens: Sequence[Token]) -> str:
    slash = tokens.index(Token("symbol", "/"))
    below = "".join(token.text for token in tokens[slash + 1 :] if token.kind in ("digit", "literal"))
    number = Fraction(abs(value))
    if fixed := below.strip(" ?#").isdecimal() and int(below.strip(" ?#")):
        numerator, denominator = round(number * fixed), fixed
    else:
        number = number.limit_denominator(10 ** sum(token.kind == "digit" for token in tokens[slash + 1 :]) - 1)
        numerator, denominator = number.numerator, number.denominator
    has_whole = any(token.kind == "literal" and token.text == " " for token in tokens[:slash])
    whole, numerator = divmod(numerator, denominator) if has_whole or denominator == 1 else (0, numerator)
    fraction = f"{numerator}/{denominator}" if numerator else ""
    text = " ".join(part for part in (f"{whole}" if whole else "", fraction) if part)
    return ("-" if value < 0 else "") + (text or "0")


def _around(tokens: Sequence[Token], shown: str) -> str:
    """Put the literals of a format before and after the text of its digits."""
    is_place = [token.kind not in ("literal", "elapsed") for token in tokens]
    first = is_place.index(True)
    last = len(tokens) - is_place[::-1].index(True)
    before = "".join(token.text for token in tokens[:first])
    return before + shown + "".join(token.text for token in tokens[last:])


def _rounded(number: Decimal, decimals: int) -> Decimal:
    return number.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
