r"""Finds possible phone numbers in bytes of any form: JSON, a URL, or a text that a person wrote.

A number is found with or without the code of its country, as one run of digits, or with blanks, hyphens, points and
brackets between its digits (``987 654 3210``, ``(+91) 98765-43210``). These may be escaped as in addresses
(``%2B91%209876543210``) or as in JSON (``98765\u00a043210``). The time grows with the length of the bytes only.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, NamedTuple

_NATIONAL_DIGITS: Final = 10
_INDIAN_DIGITS: Final = 12
_MAX_DIGITS: Final = 15
_MIN_DIGITS: Final = 7
_FIRST_OF_MOBILE: Final = "6789"
_SEARCHED_BYTES: Final = 65_536
"""The maximum number of bytes that one call of a regular expression searches; other threads wait for the call."""
_MAX_WRITTEN_BYTES: Final = 512
"""The maximum number of bytes that a number takes, with all characters between its digits."""

_BETWEEN: Final = rb"[- ().]|\xc2\xa0|\xe2\x80[\x80-\xaf]"
"""The characters that people write between digits, with the blanks and hyphens of Unicode."""
_AS_BLANK: Final = rb"(?<=[0-9])\+(?=[0-9])"
"""A plus that stands for a blank, as in URLs."""
_ESCAPE: Final = rb"%(?!2[Bb])[0-9A-Fa-f]{2}|\\u(?!002[Bb])[0-9A-Fa-f]{4}"
"""An escaped character other than a plus."""
_BEGINS: Final = rb"(?<![0-9].)"
"""A check that no digit comes before the first digit, which the pattern has just read."""
_BEGINS_AFTER_ESCAPE: Final = rb"(?:(?<![0-9].)|(?<=%[0-9A-Fa-f]{2}.)|(?<=\\u[0-9A-Fa-f]{4}.))"


class WrittenNumber(NamedTuple):
    """Digits that may be a phone number, and their positions."""

    number: str
    """E.164 digits without the plus."""
    positions: Callable[[], list[int]]
    """Returns the positions of the number's digits, without zeros and country code if these need not be hidden."""


# The first byte of a pattern finds a position where a number may begin, and the rest looks ahead from there, because
# numbers may overlap. No pattern can match the same bytes in two ways, so that the work at each position is bounded.
_RUN_OF_DIGITS: Final = re.compile(rb"[0-9](?<![0-9].)(?=([0-9]{6,19})(?![0-9]))", re.DOTALL)


def _indian(begins: bytes, between: bytes) -> re.Pattern[bytes]:
    """Return the pattern of ten digits with separators between them, also after 0, 91, 091 or 0091."""
    code = rb"(?<=9)1[6-9]|(?<=0)0?91[6-9]|(?<=0)[6-9]|(?<=[6-9])"
    return re.compile(
        b"[06-9]" + begins + rb"(?=((?:%b)(?:(?:%b){0,4}[0-9]){9}(?![0-9])))" % (code, between), re.DOTALL
    )


def _international(plus: bytes, between: bytes) -> re.Pattern[bytes]:
    """Return the pattern of up to fifteen digits with separators between them, after a plus or 00."""
    return re.compile(rb"[+0%%\\](?:%b)(?=([1-9](?:(?:%b){0,4}[0-9]){6,14}))" % (plus, between), re.DOTALL)


_PLUS: Final = rb"(?<=\+)|(?<=0)(?<![0-9].)0"
_SPACED: Final = (_indian(_BEGINS, b"|".join([_BETWEEN, _AS_BLANK])), _international(_PLUS, _BETWEEN))
_ESCAPED: Final = (
    _indian(_BEGINS_AFTER_ESCAPE, b"|".join([_BETWEEN, _AS_BLANK, _ESCAPE])),
    _international(b"|".join([_PLUS, rb"(?<=%)2[Bb]", rb"(?<=\\)u002[Bb]"]), b"|".join([_BETWEEN, _ESCAPE])),
)
_DIGIT: Final = re.compile(b"(?:" + _ESCAPE + b")|([0-9])")
_ESCAPES: Final = re.compile(_ESCAPE)
_NO_DIGITS: Final = bytes(set(range(256)) - set(b"0123456789"))


def written_numbers(content: bytes) -> Iterator[WrittenNumber]:
    """Yield all possible numbers; the same digits may be several numbers, and numbers may overlap."""
    for match in _matches(_RUN_OF_DIGITS, content):
        start, end = match.start(), match.end(1)
        for hidden_digits, number in _numbers_in_run(content[start:end].decode()):
            yield WrittenNumber(number, partial(_all_positions, end - hidden_digits, end))
    has_escapes = b"%" in content or b"\\u" in content
    for indian, international in (_SPACED, _ESCAPED) if has_escapes else (_SPACED,):
        for match in _matches(indian, content):
            start, end = match.start(), match.end(1)
            written = content[start:end]
            if not written.isdigit() or has_escapes:  # otherwise the digits are a run, which was found before
                national = _digits(written)[-_NATIONAL_DIGITS:]
                yield WrittenNumber(f"91{national}", partial(_positions, content, start, end, _NATIONAL_DIGITS))
        for match in _matches(international, content):
            yield from _numbers_beginning_at(content, match.start(1), match.end(1))


def _numbers_beginning_at(content: bytes, start: int, end: int) -> Iterator[WrittenNumber]:
    """Yield the numbers that begin at *start* and end before *end*, each where no digit follows its last digit."""
    positions = _positions(content, start, end, _MAX_DIGITS)
    digits = bytes(content[position] for position in positions).decode()
    for count in range(_MIN_DIGITS, len(positions) + 1):
        last = positions[count - 1]
        if not content[last + 1 : last + 2].isdigit():
            number = digits[:count]
            is_indian = count == _INDIAN_DIGITS and number.startswith("91") and number[2] in _FIRST_OF_MOBILE
            yield WrittenNumber(number, partial(list, positions[2 if is_indian else 0 : count]))


def _matches(pattern: re.Pattern[bytes], content: bytes) -> Iterator[re.Match[bytes]]:
    """Yield the matches of a pattern, in calls of bounded length."""
    for first in range(0, len(content), _SEARCHED_BYTES):
        for match in pattern.finditer(content, first, first + _SEARCHED_BYTES + _MAX_WRITTEN_BYTES):
            if match.start() >= first + _SEARCHED_BYTES:
                break
            yield match


def _numbers_in_run(digits: str) -> Iterator[tuple[int, str]]:
    """Yield the numbers that a run of digits may be, each with how many of its last digits are to be hidden."""
    significant = digits.lstrip("0")
    national = significant[-_NATIONAL_DIGITS:]
    is_indian = len(national) == _NATIONAL_DIGITS and national[0] in _FIRST_OF_MOBILE
    if is_indian and significant in {national, f"91{national}"}:
        yield _NATIONAL_DIGITS, f"91{national}"
        if significant != national:
            return
    if _MIN_DIGITS <= len(significant) <= _MAX_DIGITS:
        yield len(significant), significant


def _digits(written: bytes) -> str:
    return _ESCAPES.sub(b"", written).translate(None, _NO_DIGITS).decode()


def _all_positions(start: int, end: int) -> list[int]:
    return list(range(start, end))


def _positions(content: bytes, start: int, end: int, count: int) -> list[int]:
    """Return the positions of the last digits between two positions, at most so many, without digits of escapes."""
    return [match.start(1) for match in _DIGIT.finditer(content, start, end) if match[1]][-count:]
