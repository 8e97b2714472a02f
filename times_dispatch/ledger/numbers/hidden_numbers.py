"""Hides phone numbers in bytes: the digits of a number become other digits, and no length changes.

Posted reports of any system may hold phone numbers as texts, as JSON numbers, in URLs, or in texts that people wrote
(``written_numbers``). Digits inside a longer run of digits, such as a time in milliseconds, are not the phone number.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
from redis.asyncio import Redis

from times_dispatch.ledger.errors import ForgetKeyRefused
from times_dispatch.ledger.numbers.forgotten_numbers import ForgottenNumbers
from times_dispatch.ledger.numbers.written_numbers import written_numbers
from times_dispatch.log_sums import LogSums

log = structlog.get_logger(__name__)

Hide = Callable[[Sequence[bytes]], Awaitable[list[bytes]]]
"""Returns bytes without the numbers that must be hidden."""

_BYTES_AT_ONCE: Final = 16_384
"""Bodies with more bytes are searched in a thread, so that the event loop does not wait; a report takes about 15 us."""
_OTHER_DIGIT, _FIRST_DIGIT = b"01"


def hide_numbers(content: bytes, is_hidden: Callable[[str], bool]) -> bytes:
    """Return bytes in which the digits of numbers are other digits: ``9876543210`` becomes ``1000000000``.

    Args:
        content: any bytes; a JSON document stays a JSON document.
        is_hidden: says whether a number, E.164 digits without the plus, is to be hidden.
    """
    matches = [written.positions for written in written_numbers(content) if is_hidden(written.number)]
    if not matches:
        return content
    changed = bytearray(content)
    for positions in matches:
        for position in positions():
            changed[position] = _OTHER_DIGIT
    for positions in matches:
        changed[positions()[0]] = _FIRST_DIGIT
    return bytes(changed)


def names_number(content: bytes, number: str) -> bool:
    """Say whether bytes hold a number, E.164 digits without the plus, in one of the forms that are hidden."""
    return any(written.number == number for written in written_numbers(content))


class ForgottenNumbersHidden:
    """Hides the numbers that are forgotten in bytes that a process reads, posts or stores."""

    def __init__(self, redis: Redis, key: bytes) -> None:
        """Take the key of forgotten numbers; empty if this process has no key."""
        self._numbers = ForgottenNumbers(redis, key)
        self._sums = LogSums(log)

    async def hide(self, contents: Sequence[bytes]) -> list[bytes]:
        """Return bytes without forgotten numbers; the same bytes while no number is forgotten. Raises Redis errors.

        Without the key the bytes do not change, and a warning is logged, because reports must be applied in any case.
        """
        try:
            return await self.hide_or_refuse(contents)
        except ForgetKeyRefused as refused:
            self._sums.error(
                "forgotten numbers in reports cannot be hidden", reports=len(contents), reason=str(refused)
            )
            return list(contents)

    async def hide_or_refuse(self, contents: Sequence[bytes]) -> list[bytes]:
        """Return bytes as ``hide`` does; raise ``ForgetKeyRefused`` without the key, and Redis errors."""
        is_forgotten = await self._numbers.lookup()
        if is_forgotten is None:
            return list(contents)
        if sum(map(len, contents)) <= _BYTES_AT_ONCE:
            return [hide_numbers(content, is_forgotten) for content in contents]
        return await asyncio.to_thread(lambda: [hide_numbers(content, is_forgotten) for content in contents])
