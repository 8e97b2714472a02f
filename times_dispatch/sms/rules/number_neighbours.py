"""Says whether a phone number may begin or end at a place in a text, by the characters beside it.

``callback_numbers`` finds the digits, and ``number_forms`` judges their form. The digits of an id, an amount or a date
are part of something longer: ``OD-9876543210``, ``9876543210-2@ybl``.
"""

import re
from collections.abc import Callable
from typing import Final

from times_dispatch.sms.rules.callback_words import (
    AFTER_CALL_WORD,
    AFTER_ID_WORD,
    CALL_WORDS,
    CONTEXT,
    FOLLOWING_WORDS,
    GLUE_WORDS,
    any_of,
    is_after_call_word,
)

SEPARATOR: Final = r"[ \u00a0\t\r\n.()\u2010-\u2015-]"
"""A character that may stand between the groups of a number."""
_JOINING_SIGNS = "-\u2010\u2011\u2012\u2013\u2014/.,:@"
"""The signs that join digits to the text before them. After every other character, a number may begin."""
_AFTER_GLUE_WORD = re.compile(rf"(?:^|[^A-Za-z])(?:{any_of(GLUE_WORDS)})[\W_]?\Z", re.IGNORECASE)
_AFTER_CALL_WORD_AND_NAME = re.compile(
    rf"(?:^|[^A-Za-z])(?i:{any_of(CALL_WORDS)})s?[ ]?[:.-]?[ ]?(?:[A-Z][A-Za-z]*[. ]{{0,2}}){{1,4}}\Z"
)
_ENDS_LIKE_A_NAME = re.compile(r"(?:^|[^A-Za-z0-9])(?:[A-Z]?[a-z]{2,}|M|P|Mo)\Z")
_ENDS_LIKE_A_LETTER = re.compile(r"(?:^|[^A-Za-z0-9])[TPFOR]\Z")
_LANDLINE = re.compile("0[1-8][0-9]{1,3}[ -]?[2-7][0-9]{5,7}(?![0-9])")
_SHORT_CODES = re.compile(r"(?<![0-9/.,:-])1[0-9]{2,4}(?:/1[0-9]{2,4})?\Z")
"""Helplines before a slash and a toll-free number: ``1912/18001234567``."""
_PIN_CODE = re.compile(r"(?<![0-9.,])[1-9][0-9]{5}\Z")
"""The code of a post office at the end of an address: ``Pune-411001.9876543210``."""
_TOLL_FREE = re.compile("18[06]0(?:[ -]?[0-9]){4,7}(?![0-9])")
_MOBILE_OR_TOLL_FREE = re.compile(r"(?:[6-9][0-9](?:[ .-]?[0-9]{2,8}){1,4}|18[06]0[0-9]{4,7})(?![0-9])")

_FOLLOWING = re.compile(rf"(?:(?:{any_of(FOLLOWING_WORDS)})(?![a-z])|x[0-9]{{1,5}}(?![a-z0-9]))", re.IGNORECASE)
_OTHER_NUMBER = re.compile(rf"[,/;|&][ ]?[+(]?[0-9](?:{SEPARATOR}{{0,2}}[0-9]){{5}}|-[6-9][0-9]{{9}}(?![0-9-])")
_LAST_DIGITS = re.compile(r"[/,-][0-9]{1,4}(?![0-9@])")
"""The last digits of another number, but not the end of an address such as ``9876543210-2@ybl``."""
_HAS_TEN_DIGITS = 10


def may_begin(text: str, start: int, *, group_before: tuple[int, int] | None, end_of_number_before: int) -> bool:
    """Return whether a number may begin at a position.

    Args:
        text: the text, with ASCII digits.
        start: the position of the first digit, or of the plus or bracket before it.
        group_before: the digits from which only blanks, dashes, dots and brackets separate the position, if any.
        end_of_number_before: the end of the last number that was found; -1 if none was.
    """
    if group_before:
        return _may_begin_after_digits(text, start, group_before, end_of_number_before)
    if not start or text[start - 1] not in _JOINING_SIGNS or start - 1 == end_of_number_before:
        return True
    return any(is_joined_to_no_id(text, start) for is_joined_to_no_id in _REASONS_TO_BEGIN)


def _may_begin_after_digits(text: str, start: int, group_before: tuple[int, int], end_of_number_before: int) -> bool:
    gap = text[group_before[1] : start]
    if " " in gap or "\u00a0" in gap or group_before[1] == end_of_number_before:
        return True
    if gap in (".", "-"):
        return _is_after_pin_code(text, start)
    return gap == ")" and _is_item_of_list(text, start, group_before)


def _is_after_word_to_call(text: str, start: int) -> bool:
    """Say whether only a sign separates a number from a word: ``Call:9876543210``, ``no.1800…``."""
    head = _head(text, start)
    return AFTER_CALL_WORD.search(head) is not None or _AFTER_GLUE_WORD.search(head) is not None


def _is_after_short_codes(text: str, start: int) -> bool:
    is_listed = text[start - 1] == "/" and _SHORT_CODES.search(_head(text, start)) is not None
    return is_listed and _TOLL_FREE.match(text, start) is not None


def _is_after_name(text: str, start: int) -> bool:
    """Say whether a mobile or toll-free number is glued to a word or to ``M``: ``Rao-9876543210``.

    An id is glued to capitals: ``OD-9876543210``. After a slash, only the name of a person to call counts.
    """
    head = _head(text, start)
    if not _MOBILE_OR_TOLL_FREE.match(text, start) or AFTER_ID_WORD.search(head):
        return False
    if text[start - 1] != "/" and _ENDS_LIKE_A_NAME.search(head):
        return True
    return _AFTER_CALL_WORD_AND_NAME.search(head) is not None


def _is_after_letter(text: str, start: int) -> bool:
    """Say whether a landline is glued to the first letter of a word to call: ``T-0755-2551234`` (telephone, fax …)."""
    return _LANDLINE.match(text, start) is not None and _ENDS_LIKE_A_LETTER.search(_head(text, start)) is not None


def _is_after_pin_code(text: str, start: int) -> bool:
    is_mobile = _MOBILE_OR_TOLL_FREE.match(text, start) is not None
    return is_mobile and _PIN_CODE.search(text, max(0, start - CONTEXT), start - 1) is not None


def _is_after_end_of_word(text: str, start: int) -> bool:
    """Say whether a sign joins a number to no id: ``Sale.9876543210``, ``रमेश-9876543210``, ``Rao - 9876543210``."""
    before = text[start - 2] if start > 1 else " "
    if text[start - 1] in ".,:":
        return not before.isdigit() or _is_after_pin_code(text, start)
    return before.isspace() or not before.isascii()  # a word of another script is no prefix of an id


_REASONS_TO_BEGIN: Final[tuple[Callable[[str, int], bool], ...]] = (
    _is_after_end_of_word,
    _is_after_word_to_call,
    _is_after_short_codes,
    _is_after_name,
    _is_after_letter,
)
"""The reasons why a number may begin after a joining sign."""


def _head(text: str, start: int) -> str:
    """Return the end of the text before a joining sign."""
    return text[max(0, start - CONTEXT) : start - 1]


def _is_item_of_list(text: str, start: int, group_before: tuple[int, int]) -> bool:
    """Say whether a mobile or toll-free number is an item of a list: ``1)9876543210 2)9876543211``."""
    begin, end = group_before
    return end - begin == 1 and end + 1 == start and _MOBILE_OR_TOLL_FREE.match(text, start) is not None


def may_end(text: str, start: int, last_group: tuple[int, int], *, has_more_groups: bool) -> bool:
    """Return whether a number may end after a group of digits.

    Args:
        text: the text, with ASCII digits.
        start: the position of the number.
        last_group: the beginning and the end of the group.
        has_more_groups: whether only blanks, dashes, dots and brackets separate further digits from the group.
    """
    begin, end = last_group
    after, next_after = text[end : end + 1], text[end + 1 : end + 2]
    is_long = end - begin >= _HAS_TEN_DIGITS
    if not after or after.isspace() or after == "\0":
        return True
    if after == "_":
        return is_long and next_after.isalpha()
    if after.isalpha():
        is_word = not after.isascii() or _FOLLOWING.match(text, end) is not None
        return is_word or (is_long and is_after_call_word(text, start))
    if after in ".,:/-;|&*" and next_after.isdigit():
        return _may_end_before_digits(text, last_group)
    if has_more_groups and after in "-\u2013.":
        return next_after.isspace()  # as in Call 9876543210. 5 days left
    return after not in "@%="


def _may_end_before_digits(text: str, last_group: tuple[int, int]) -> bool:
    """Say whether a sign and digits after a number are another number or its last digits, and no part of an id."""
    begin, end = last_group
    last_digits = _LAST_DIGITS.match(text, end)
    if last_digits and (end - begin > 2 or len(last_digits[0]) > 3):  # otherwise as in 1800 1234 24/7
        return True
    return _OTHER_NUMBER.match(text, end) is not None
