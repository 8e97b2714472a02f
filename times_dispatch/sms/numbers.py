"""Phone numbers as people, spreadsheets and address books write them, made E.164 digits."""

import re
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumberType, ValidationResult

_INDIAN_MOBILE = re.compile("(?:(?:[+]|00?)?910?|0)?([6-9][0-9]{9})")
_DIALLABLE = re.compile("[+]?[0-9]+")
_PLAUSIBLE = re.compile("[+]?[1-9][0-9]{7,14}")
_DECIMAL = re.compile("([+]?[0-9]+)[.]([0-9]{1,2})")
_SCIENTIFIC = re.compile("[+-]?[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+")

# Zeros of the decimal digits that Indian keyboards, Arabic ones and full-width forms produce; nine more follow each.
_ZEROS = "०০੦૦୦௦౦೦൦٠۰０"
# Blanks, dashes, dots, parentheses, and the invisible marks that come along when a number is copied from a contact.
_SEPARATORS = (
    " \t\r\n\u00a0\u2007\u2009\u202f\u3000-\u2010\u2011\u2012\u2013\u2014\u2015\u2212.()"
    "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)
_TIDY: Final[dict[int, str | None]] = {
    **{ord(zero) + digit: str(digit) for zero in _ZEROS for digit in range(10)},
    **{ord(separator): None for separator in _SEPARATORS},
    ord("＋"): "+",
}

_WHY_IMPOSSIBLE = {ValidationResult.TOO_SHORT: "is too short", ValidationResult.TOO_LONG: "is too long"}
_TEXTABLE = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}


class NumberInvalid(ValueError):
    """No number to send to; the message is a reason that follows a field's name, and never holds the number."""


def normalise(raw: str, region: str = "IN") -> str:
    """Return a number's E.164 digits without the plus (``919876543210``), or raise NumberInvalid.

    An Indian mobile has ten digits and starts with 6 to 9; anything else is for the phonenumbers library to judge, and
    an Indian number must be a mobile then, too. ``region`` is where a number without a country code is at home.
    """
    digits = raw
    indian = _INDIAN_MOBILE.fullmatch(raw)
    if not indian:
        digits = _tidied(raw)
        indian = _INDIAN_MOBILE.fullmatch(digits)
    if indian and region == "IN":
        return "91" + indian[1]
    return _judged(digits, region)


def valid(number: str) -> bool:
    """Say whether these are plausible E.164 digits, with or without the plus."""
    return _PLAUSIBLE.fullmatch(number) is not None


def _tidied(raw: str) -> str:
    digits = raw.replace(" ", "").replace("-", "")  # most need no more, and the table below costs five times as much
    if _DIALLABLE.fullmatch(digits):
        return digits
    # A decimal has to be seen before dots go: 987654321.0 has nine digits, and without its dot it is somebody's number.
    if "." in raw and (decimal := _DECIMAL.fullmatch(raw.strip())):
        if decimal[2].strip("0"):
            raise NumberInvalid("is a decimal number")
        return decimal[1]
    digits = raw.translate(_TIDY)
    if _DIALLABLE.fullmatch(digits):
        return digits
    if not digits:
        raise NumberInvalid("is empty")
    if _SCIENTIFIC.fullmatch(raw.strip()):
        raise NumberInvalid("is in scientific notation, its digits are lost: format the column as text")
    raise NumberInvalid("holds characters that no phone number has")


def _judged(digits: str, region: str) -> str:
    try:
        number = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException:
        raise NumberInvalid("is not a phone number") from None
    if not phonenumbers.is_valid_number(number):
        if number.country_code == 91:
            raise NumberInvalid("is not an Indian mobile number: ten digits, the first from six to nine")
        possible = phonenumbers.is_possible_number_with_reason(number)
        raise NumberInvalid(_WHY_IMPOSSIBLE.get(possible, "is not a number in use"))
    if number.country_code == 91 and phonenumbers.number_type(number) not in _TEXTABLE:
        raise NumberInvalid("is not a mobile number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164).removeprefix("+")
