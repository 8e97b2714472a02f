"""Finds out whether digits have the form of a phone number that is called from India, by the groups of the digits.

``callback_numbers`` finds the digits in a text and knows the words around them.
"""

import re
from typing import Final

import phonenumbers

from times_dispatch.sms.landlines import is_landline

_MOBILE = re.compile("(?:0{0,2}910?|0)?[6-9][0-9]{9}")
_TOLL_FREE = re.compile("(?:(?:00)?91|0)?18(?:00|60|03)[0-9]{4,7}|000800[0-9]{7}")
_LONG_TOLL_FREE = re.compile("18[06]0(?![0-9]{4}18[06]0)[0-9]{8,9}")
"""A toll-free number with one or two digits too many, which some companies write: ``1800 425 00 000``."""
_SERIES = re.compile("(?:(?:00)?91|0)?1(?:40|60)[0-9]{7}")
_TRUNK = re.compile("(?:0{0,2}910?|0)(?=[1-8][0-9]{9}$)")
_DATE = re.compile("20[0-3][0-9][01][0-9][0-3][0-9]|[0-3][0-9][01][0-9](?:20)?[0-3][0-9]")
_HOURS = re.compile("18[06]0(?:(?:1[89]|2[0-3])(?:15|30|45)|0[0-9]00|2400)")
"""Hours such as ``1800-1830`` and ``1800-0600``; ``1800-2100`` is the number of a bank."""
_AMOUNTS = re.compile("18[06]0 ?[\u2010-\u2015-] ?(?!1[678]00|2[16]00)[0-9]{2}[05]0")
"""A range of amounts, as in ``onion 1800-2200``; banks have 1800 1600, 1700, 1800, 2100 and 2600."""
_DECIMAL = re.compile("18[06]0[.][0-9]{4}")
"""An amount with four decimals, such as the value of a unit of a fund: ``NAV 1800.1234``."""
_LONG_LANDLINE = re.compile("0[1-8][0-9]{10}")
"""A landline with an area code of three digits and eight digits of its own, as an insurer has: ``0120 6234 6234``."""
_YEAR_IN_ID = re.compile("[0-9]{4}(?:19|20)[0-9]{2}")
"""The year after the number of an office, in the number of a document: ``0451-2026-0098``."""
LOCAL = re.compile("[2-7][0-9]{5,7}")
"""A landline without the area code."""
MIN_UNKNOWN_DIGITS: Final = 8
MAX_UNKNOWN_DIGITS: Final = 13
_MAX_UNKNOWN_GROUPS = 4
_TWO_TIMES = re.compile("(?:[01][0-9]|2[0-4])[0-5][0-9](?:[01][0-9]|2[0-4])[0-5][0-9]")
"""Two times or two years: ``0930-1830``, ``2025-2026``."""
_SIZES_OF_DATES = ([2, 2, 4], [4, 2, 2], [2, 2, 2])
_SIZES_OF_RANGES = ([5, 5], [5, 6], [6, 6], [6, 7])
"""The groups of a range of amounts that begins like a toll-free number: ``18000-25000``."""
_SIZES_OF_WRITTEN_DATES = (6, 8)
_THOUSANDS = re.compile("[6-9][0-9]000[0-9]{2}000")
"""A range of amounts in two groups of five digits: ``60000 - 75000``."""
_SIZES_OF_HALVES = ([4, 1, 4, 1], [4, 1, 5])
"""The groups of a mobile in two halves of five digits: ``8433 9 8433 9``."""


def has_form(digits: str, sizes: list[int], written: str, *, to_call: bool) -> bool:
    """Say whether digits have the form of a phone number.

    Args:
        digits: only the digits.
        sizes: the number of digits in each written group.
        written: the written number.
        to_call: whether a word to call stands before the digits; then more forms are numbers.
    """
    if written.startswith("+") and not digits.startswith("91"):
        return is_foreign(digits)
    if _is_toll_free(digits, sizes, written, to_call=to_call) or _SERIES.fullmatch(digits):
        return sizes not in _SIZES_OF_DATES or _DATE.fullmatch(digits) is None  # 18-03-2026 is a date
    if "(0)" in written:
        sizes = [size for size in sizes if size > 1]
    if sizes == [5, 5] and _THOUSANDS.fullmatch(digits):
        return to_call
    if _MOBILE.fullmatch(digits) and (to_call or _has_groups_of_mobile(sizes)):
        return True
    # After a word to call, ten digits of no known form are an unassigned or mistyped number.
    return (to_call and len(digits) == 10 and len(sizes) == 1) or _is_landline_number(
        digits, sizes, written, to_call=to_call
    )


def may_be_unknown(digits: str, sizes: list[int]) -> bool:
    """Say whether digits after a word to call may be a number of no known form: no date and no hours.

    Args:
        digits: only the digits.
        sizes: the number of digits in each written group.
    """
    if not MIN_UNKNOWN_DIGITS <= len(digits) <= MAX_UNKNOWN_DIGITS or len(sizes) > _MAX_UNKNOWN_GROUPS:
        return False
    if min(sizes) == 1 or sizes[:3] in _SIZES_OF_DATES or _DATE.fullmatch(digits):
        return False
    if len(sizes) > 1 and sizes[-1] in _SIZES_OF_WRITTEN_DATES and _DATE.fullmatch(digits[-sizes[-1] :]):
        return False  # 24500 26112026
    # A landline without its area code, which is written in these groups, does not begin with 1.
    return sizes != [4, 4] or not (_TWO_TIMES.fullmatch(digits) or digits.startswith("1"))


def has_groups_of_no_id(digits: str, sizes: list[int]) -> bool:
    """Say whether digits have groups that no id has: ``Order: 1800 208 1234``, ``Booking 0877-2233333``."""
    if digits.startswith("0"):
        return len(digits) == 11 and len(sizes) > 1 and 3 <= sizes[0] <= 5
    is_toll_free_or_series = _TOLL_FREE.fullmatch(digits) or _SERIES.fullmatch(digits)
    return sizes in ([4, 3, 4], [4, 3, 3]) and is_toll_free_or_series is not None


def has_groups_of_mobile(digits: str, sizes: list[int]) -> bool:
    """Say whether digits are a mobile in groups, as after the end of a sentence: ``your card. 8698 010 101``."""
    return sizes in ([5, 5], [4, 3, 3], [3, 3, 4]) and _MOBILE.fullmatch(digits) is not None


def is_foreign(digits: str) -> bool:
    """Say whether digits, with a country code, are a number of another country."""
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse("+" + digits))
    except phonenumbers.NumberParseException:
        return False


def _is_toll_free(digits: str, sizes: list[int], written: str, *, to_call: bool) -> bool:
    if sizes[-1] == 1 < max(sizes):  # in ``1800-11-2024 9 AM``, the single digit belongs to no number
        return False
    if _LONG_TOLL_FREE.fullmatch(digits):
        is_number = sizes[-1] > 2 and (to_call or (len(sizes) > 1 and len(digits) < 13))
    else:
        is_number = _TOLL_FREE.fullmatch(digits) is not None
    if sizes == [4, 4] and _is_no_toll_free(digits, written):
        return to_call
    return is_number and (to_call or sizes not in _SIZES_OF_RANGES)


def _is_no_toll_free(digits: str, written: str) -> bool:
    """Say whether two groups of four digits are hours, amounts or a decimal that begins like a toll-free number."""
    return any((_HOURS.fullmatch(digits), _AMOUNTS.fullmatch(written), _DECIMAL.fullmatch(written)))


def _is_financial_year(digits: str) -> bool:
    """Say whether six digits are a year of accounts or of a school, such as ``2026-27``."""
    return digits.startswith("20") and int(digits[4:]) == int(digits[2:4]) + 1


def _has_groups_of_mobile(sizes: list[int]) -> bool:
    is_spaced_out = len(sizes) >= 10 and max(sizes[1:]) == 1
    is_after_code = sum(sizes) == 11 and sizes[0] in (3, 4, 5) and sizes[1] == 1  # 0744 2 365412
    return not sizes[1:] or min(sizes[1:]) > 1 or is_spaced_out or is_after_code or sizes in _SIZES_OF_HALVES


def _is_landline_number(digits: str, sizes: list[int], written: str, *, to_call: bool) -> bool:
    if to_call and LOCAL.fullmatch(digits) and len(sizes) < 4 and min(sizes) > 1:
        is_date = _DATE.fullmatch(digits) is not None or sizes in _SIZES_OF_DATES
        return not is_date and not (sizes == [4, 2] and _is_financial_year(digits))
    if sizes in ([4, 8], [4, 4, 4]) and _LONG_LANDLINE.fullmatch(digits):
        return to_call or not _YEAR_IN_ID.match(digits)
    if sizes == [4, 4, 4] and not to_call:  # as an Aadhaar number
        return False
    trunk = _TRUNK.match(digits)
    national = digits[trunk.end() :] if trunk else digits
    if len(national) != 10 or not is_landline(national):
        return False
    if trunk or to_call:
        return True
    # Without a 0 before the area code, only a dash or brackets distinguish a landline from other digits.
    return len(sizes) == 2 and 2 <= sizes[0] <= 4 and written[sizes[0]] in "-)\u2013"
