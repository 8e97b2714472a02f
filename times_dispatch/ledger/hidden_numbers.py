"""Hides phone numbers in bytes: the digits of a number become other digits, and no length changes.

Posted reports of any system may hold numbers: as texts, as JSON numbers, in addresses, in what people wrote. A number
is found as a run of digits, with or without the code of its country, and in the two forms with a blank or a hyphen in
which Indian numbers are written. Digits inside a longer run, such as a time in milliseconds, are another number.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final

import structlog
from redis.asyncio import Redis

from times_dispatch.ledger.errors import ForgetKeyRefused
from times_dispatch.ledger.forgotten_numbers import ForgottenNumbers
from times_dispatch.log_sums import LogSums

log = structlog.get_logger(__name__)

Hide = Callable[[Sequence[bytes]], Awaitable[list[bytes]]]
"""Returns bytes without the numbers that nobody may see."""

_NATIONAL_DIGITS: Final = 10
_MAX_DIGITS: Final = 15
_MIN_DIGITS: Final = 7
_BYTES_AT_ONCE: Final = 16_384
"""More bytes than these are searched in a thread, so that the loop is not held up: a report costs about 9 us."""
_WRITTEN: Final = re.compile(rb"(?<![0-9])[6-9][0-9]{4}[ -][0-9]{5}(?![0-9])|[0-9]{7,17}(?![0-9])")
_FIRST_OF_MOBILE: Final = "6789"


def hide_numbers(content: bytes, is_hidden: Callable[[str], bool]) -> bytes:
    """Return bytes in which the digits of numbers are other digits: ``9876543210`` becomes ``1000000000``.

    Args:
        content: any bytes; a JSON document stays one.
        is_hidden: says whether a number, E.164 digits without the plus, is to be hidden.
    """

    def replaced(match: re.Match[bytes]) -> bytes:
        written = match[0]
        separator = written[5:6] if len(written) == _NATIONAL_DIGITS + 1 and not written.isdigit() else b""
        digits = (written.replace(separator, b"") if separator else written).decode()
        for shown, number in _meanings(digits):
            if is_hidden(number):
                hidden = f"{digits[:-shown]}1{'0' * (shown - 1)}".encode()
                return hidden[:5] + separator + hidden[5:] if separator else hidden
        return written

    return _WRITTEN.sub(replaced, content)


def _meanings(digits: str) -> Iterator[tuple[int, str]]:
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


class ForgottenNumbersHidden:
    """Hides the numbers that are forgotten, in what a process reads, posts or keeps."""

    def __init__(self, redis: Redis, key: bytes) -> None:
        """Take the key by which forgotten numbers are known; empty if this process has none."""
        self._numbers = ForgottenNumbers(redis, key)
        self._sums = LogSums(log)

    async def hide(self, contents: Sequence[bytes]) -> list[bytes]:
        """Return bytes without forgotten numbers; the same bytes while no number is forgotten. Raises Redis errors.

        Without the key the bytes stay as they are, and the log says so: reports must be applied in any case.
        """
        try:
            is_forgotten = await self._numbers.lookup()
        except ForgetKeyRefused as refused:
            self._sums.error(
                "forgotten numbers in reports cannot be hidden", reports=len(contents), reason=str(refused)
            )
            return list(contents)
        if is_forgotten is None:
            return list(contents)
        if sum(map(len, contents)) <= _BYTES_AT_ONCE:
            return [hide_numbers(content, is_forgotten) for content in contents]
        return await asyncio.to_thread(lambda: [hide_numbers(content, is_forgotten) for content in contents])
