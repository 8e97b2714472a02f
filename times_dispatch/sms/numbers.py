"""Converts phone numbers in the forms of people, spreadsheets and address books into E.164 digits."""

import re
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumberType, ValidationResult

from times_dispatch.sms.landlines import is_landline

_INDIAN_MOBILE = re.compile("(?:(?:[+]|00?)?910?|0)?([6-9][0-9]{9})")
_DIALLABLE = re.compile("[+]?[0-9]+")
_PLAUSIBLE = re.compile("[+]?[1-9][0-9]{7,14}")
_DECIMAL = re.compile("([+]?[0-9]+)[.]([0-9]{1,2}|0{3,})")
_MAX_DIGITS = 15
_MAX_LENGTH = 100
"""The maximum number of characters of a written number."""
_ONE_NUMBER = re.compile(
    r"(?:(?:[+]|00)?91[ .-]{0,2}|0)?[6-9](?:[ .-]{0,2}[0-9]){9}(?![0-9])|[+]?[0-9](?:[ .-]?[0-9]){7,14}(?![0-9])"
)
_EXTENSION = re.compile(r"[0-9)] ?[,;]? ?(?:ext(?:n|ension)?|x)[. :]{0,2}[0-9]{1,6}\Z", re.IGNORECASE)
_PLUS_WITHIN = re.compile("[0-9][ -]?[+]")
_MASKED = re.compile("[0-9 +-]*+(?:[*\u2022\u25cf#]{3,}+|[xX]{3,}+)[0-9xX*\u2022\u25cf# -]*+")
_LETTERS_FOR_DIGITS: Final = str.maketrans("OoОоΟοIl|SsBZz", "00000011155822")
"""Letters, also Cyrillic and Greek, that are written, scanned or typed instead of digits."""
_MIN_DIGITS_BESIDE_LETTERS = 7
_SIGN = re.compile(r"[!-/:-@\[-`{-~]")
_SIGNS_OF_NUMBERS = frozenset("+-.()")
_SCIENTIFIC = re.compile("[+-]?[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+")

# The zero of each set of decimal digits that Indian and Arabic keyboards and full-width forms produce. In Unicode the
# other nine digits follow the zero.
_ZEROS = "०০੦૦୦௦౦೦൦٠۰０"
# Blanks, dashes, dots, parentheses, and the invisible marks that a number copied from a contact contains.
_SEPARATORS = (
    " \t\r\n\u00a0\u2007\u2009\u202f\u3000-\u2010\u2011\u2012\u2013\u2014\u2015\u2212.()"
    "\u00ad\u061c\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)
DIGIT_TABLE: Final[dict[int, str]] = {ord(zero) + digit: str(digit) for zero in _ZEROS for digit in range(10)}
"""Translates the digits of other scripts into ASCII, each character into one character."""
_CLEANING_TABLE: Final[dict[int, str | None]] = {
    **DIGIT_TABLE,
    **{ord(separator): None for separator in _SEPARATORS},
    ord("＋"): "+",
}

_SPACING_TABLE: Final[dict[int, str]] = {
    **DIGIT_TABLE,
    **{ord(separator): " " for separator in _SEPARATORS if separator not in "-.()"},
    ord("＋"): "+",
}

_LENGTH_REASONS = {ValidationResult.TOO_SHORT: "is too short", ValidationResult.TOO_LONG: "is too long"}
_IS_MASKED = "is masked: export the whole number"
_LETTER_AMONG_DIGITS = "holds a letter among its digits, as O for zero or l for one"
_WORDS_BESIDE_NUMBER = "holds other words beside the number: give the number a column of its own"
_LANDLINE = "is a landline, not a mobile number"
_MOBILE_TYPES = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}


class NumberInvalid(ValueError):
    """A phone number to which no SMS can be sent.

    The message is a reason, to be written after a field's name. It never contains the number.
    """


def normalise(raw: str, region: str = "IN", *, landlines: bool = False) -> str:
    """Return the E.164 digits of a number without the plus: ``919876543210``.

    An Indian mobile number has ten digits, starts with 6 to 9 and is no landline. The phonenumbers library checks all
    other numbers, and accepts an Indian number only if it is a mobile number.

    Args:
        raw: the written number.
        region: the country of a number without a country code.
        landlines: whether Indian landlines that begin with 6 to 9 are accepted, because an opt-out list may hold
            landlines.

    Raises:
        NumberInvalid: no SMS can be sent to the number.
    """
    if len(raw) > _MAX_LENGTH:
        raise NumberInvalid(_several(raw[:_MAX_LENGTH]) or "is longer than any phone number")
    digits = raw
    indian = _INDIAN_MOBILE.fullmatch(raw)
    if not indian:
        digits = _cleaned(raw)
        indian = _INDIAN_MOBILE.fullmatch(digits)
    if indian and region == "IN":
        if not landlines and is_landline(indian[1]):
            raise NumberInvalid(_LANDLINE)
        return "91" + indian[1]
    return _checked_by_library(digits, region, raw)


def is_plausible(number: str) -> bool:
    """Return whether a text has the form of E.164 digits, with or without a plus."""
    return _PLAUSIBLE.fullmatch(number) is not None


def _cleaned(raw: str) -> str:
    digits = raw.replace(" ", "").replace("-", "")  # faster by a factor of five, and enough for most numbers
    if _DIALLABLE.fullmatch(digits):
        return digits
    # A decimal number must be recognised before the dot is removed: 987654321.0 has nine digits, and would be a valid
    # phone number without the dot.
    if "." in raw and (decimal := _DECIMAL.fullmatch(raw.strip())):
        if decimal[2].strip("0"):
            raise NumberInvalid("is a decimal number")
        return decimal[1]
    digits = raw.translate(_CLEANING_TABLE)
    if _DIALLABLE.fullmatch(digits):
        return digits
    if not digits:
        raise NumberInvalid("is empty")
    if _SCIENTIFIC.fullmatch(raw.strip()):
        raise NumberInvalid("is in scientific notation, its digits are lost: format the column as text")
    raise NumberInvalid(_why_not_diallable(raw.translate(_SPACING_TABLE)))


def _why_not_diallable(raw: str) -> str:
    """Return why a text with characters that no number has is no number; the separators in the text are ASCII."""
    if clear := _several(raw) or (_IS_MASKED if _MASKED.fullmatch(raw) else ""):
        return clear
    if _EXTENSION.search(raw):
        return "holds an extension, which no mobile number has"
    if _PLUS_WITHIN.search(raw):
        return "has a + within the number: a number begins with it"
    if (is_slip := _has_letter_for_digit(raw)) or (
        any(map(str.isalpha, raw)) and _ONE_NUMBER.search(raw) and "@" not in raw
    ):
        return _LETTER_AMONG_DIGITS if is_slip else _WORDS_BESIDE_NUMBER
    sign = next((sign for sign in _SIGN.findall(raw) if sign not in _SIGNS_OF_NUMBERS), "")
    if sign and not any(map(str.isalpha, raw)):
        return f"contains {sign}, which no phone number does"
    return "contains characters that no phone number has"


def _has_letter_for_digit(raw: str) -> bool:
    """Say whether a text becomes a mobile number when each letter like a digit is replaced by the digit."""
    digits = raw.translate(_LETTERS_FOR_DIGITS).translate(_CLEANING_TABLE)
    is_changed = digits != raw.translate(_CLEANING_TABLE)
    has_digits = sum(map(str.isdecimal, raw)) >= _MIN_DIGITS_BESIDE_LETTERS
    return is_changed and has_digits and _INDIAN_MOBILE.fullmatch(digits) is not None


def _several(raw: str) -> str:
    """Return why a text with two numbers is refused; an empty text if the text holds at most one number."""
    return "holds more than one number: give each its own row" if len(_ONE_NUMBER.findall(raw)) > 1 else ""


def _checked_by_library(digits: str, region: str, raw: str) -> str:
    if len(digits.lstrip("+")) > _MAX_DIGITS:
        several = _several(raw.translate(_SPACING_TABLE))
        raise NumberInvalid(several or "is not a phone number: it has more than fifteen digits")
    try:
        number = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException:
        raise NumberInvalid("is not a phone number") from None
    if not phonenumbers.is_valid_number(number):
        if _lacks_plus(digits):
            raise NumberInvalid("is no Indian number; if it is one of another country, write + before it")
        if number.country_code == 91:
            raise NumberInvalid("is not an Indian mobile number: ten digits, the first from six to nine")
        possible = phonenumbers.is_possible_number_with_reason(number)
        raise NumberInvalid(_LENGTH_REASONS.get(possible, "is not a number in use"))
    if number.country_code == 91:
        kind = phonenumbers.number_type(number)
        if kind == PhoneNumberType.FIXED_LINE:
            raise NumberInvalid(_LANDLINE)
        # For the library, the callback numbers 1600 … are mobile numbers.
        if kind not in _MOBILE_TYPES or str(number.national_number)[0] not in "6789":
            raise NumberInvalid("is not a mobile number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164).removeprefix("+")


def _lacks_plus(digits: str) -> bool:
    """Say whether digits would be a number of another country if a plus were before the digits."""
    if not digits[0].isdecimal() or digits.startswith(("0", "91")):
        return False
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(f"+{digits}"))
    except phonenumbers.NumberParseException:
        return False
