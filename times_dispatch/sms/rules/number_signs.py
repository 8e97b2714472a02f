"""Replaces the signs within phone numbers by the signs that ``callback_numbers`` reads; a text keeps its length.

People write ``022_26501241``, ``[022] 26501239`` and ``98765·43210``, and other scripts have blanks, dashes and
brackets of their own.
"""

import re
from collections.abc import Callable
from typing import Final

from times_dispatch.sms.numbers import DIGIT_TABLE

_BLANKS = "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_DASHES = "\u2043\u2212\ufe58\ufe63\uff0d"
_FULL_WIDTH = "（）＋／：，．＆［］＿"
_INVISIBLE = r"\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"
_MIDDLE_DOTS = "\u00b7\u2022\u2024\u2027\u2219\u22c5\u30fb"

_TABLE: Final[dict[int, str]] = {
    **DIGIT_TABLE,
    **{ord(blank): " " for blank in _BLANKS},
    **{ord(dash): "-" for dash in _DASHES},
    **{ord(sign): chr(ord(sign) - 0xFEE0) for sign in _FULL_WIDTH},
}
_OTHER = re.compile(f"[{''.join(map(chr, _TABLE))}]")
_MARK = re.compile(f"[{_INVISIBLE}{_MIDDLE_DOTS}]")
_BETWEEN_DIGITS = re.compile(
    rf"(?<=[0-9])(?:(?<=91)|(?![{_MIDDLE_DOTS}][6-9][0-9]{{9}}(?![0-9])))[{_INVISIBLE}{_MIDDLE_DOTS}]{{1,3}}(?=[0-9])"
)
"""Marks within a number. A bullet before a whole mobile number is no such mark: ``10-7•9876543210``."""
_AFTER_CODE = re.compile(
    r"(?<![0-9/.:_-])(?:(?:0[1-9][0-9]{1,3} ?[/:_~|] ?|0?18[06]0/)(?=[0-9]{6,8}(?![0-9/]))"
    r"|18[06]0/[0-9]{3}/(?=[0-9]{3,4}(?![0-9/]))"
    r"|\[0?(?:[1-9][0-9]{1,3}\](?=[ -]?[0-9]{6,8}(?![0-9/]))|[6-9][0-9]{4}\](?=[ -]?[0-9]{5}(?![0-9/]))))"
    r"|[+]91[/:_~|*](?=[6-9][0-9]{9}(?![0-9]))"
)
"""Signs after an area code, within a toll-free number or after the code of India: ``080/41234567``, ``1800/123/4567``,
``[022] 26501239``."""
_SIGNS_AFTER_CODE = "/:_~|]*"
_HALVES = re.compile(r"(?<![0-9])(?![0-9]{2}000[^0-9][0-9]{2}000)([6-9][0-9]{4})[/:_~|*,]([0-9]{5})(?![0-9])")
"""The halves of a mobile number with a sign between them that belongs to a number only after a word to call; two
amounts of thousands are no number: ``call 65000,70000 people``."""
_HALVES_OF_NOUGHTS = re.compile(rb"0{5}[/:_~|*,]0{5}")
_DASH_FOR_SIGN: Final = {**dict.fromkeys(map(ord, "/:_~|*"), "-"), ord("["): "(", ord("]"): ")"}


def as_ascii(text: str) -> str:
    """Return a text in which ASCII signs replace the digits, blanks, dashes and brackets of other scripts."""
    if text.isascii():
        return text
    if _OTHER.search(text):
        text = text.translate(_TABLE)
    if _MARK.search(text):
        text = _BETWEEN_DIGITS.sub(lambda signs: "-" * len(signs[0]), text)
    return text


def has_sign_after_code(text: str) -> bool:
    """Return whether ``without_signs`` may change a text that ``as_ascii`` returned."""
    return any(map(text.__contains__, _SIGNS_AFTER_CODE)) and _AFTER_CODE.search(text) is not None


def without_signs(text: str, is_after_id_word: Callable[[str, int], bool]) -> str:
    """Return a text with a dash in place of each sign after an area code, but not in ids: ``Ref: 0124_3456789``.

    Args:
        text: a text that ``as_ascii`` returned.
        is_after_id_word: says whether a word for an id is before a position in the text.
    """
    if not has_sign_after_code(text):
        return text
    return _AFTER_CODE.sub(
        lambda code: code[0] if is_after_id_word(text, code.start()) else code[0].translate(_DASH_FOR_SIGN), text
    )


def has_halves(text: str) -> bool:
    """Return whether the halves of a mobile may stand in a text with a sign between them: ``98765,43210``."""
    return _HALVES.search(text) is not None


def may_have_halves(noughts: bytes) -> bool:
    """Return whether ``has_halves`` may be true, for a text without blanks, dots and dashes whose digits are all 0."""
    return _HALVES_OF_NOUGHTS.search(noughts) is not None


def join_halves(text: str, is_after_call_word: Callable[[str, int], bool]) -> str:
    """Return a text with a dash between the halves of each mobile after a word to call.

    Args:
        text: a text that ``as_ascii`` returned.
        is_after_call_word: says whether a word to call is before a position in the text.
    """
    return _HALVES.sub(
        lambda halves: f"{halves[1]}-{halves[2]}" if is_after_call_word(text, halves.start()) else halves[0], text
    )
