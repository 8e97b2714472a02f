"""Dead numbers: numbers that nobody has, as a provider reported; they get no message for some time after the report.

Dead numbers are stored beside the opt-out list, in the same form: the digits before the last five name a bucket, the
last five digits are a field of the bucket's hash. The value is one integer, the day in India since the epoch times
65,536 plus the code, so that Redis keeps a small hash as a list of integers: about 15 bytes a number at a million
numbers. A bucket that gets no new number expires as a whole. Workers look dead numbers up in the same call as the
opt-out list.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, cast

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, OutOfMemoryError, ResponseError

from times_dispatch.ledger.campaigns.view import india_day
from times_dispatch.ledger.keys import OPT_OUTS, OPT_OUTS_DEAD
from times_dispatch.ledger.scripts import Script

_CUT = -5
_DAY_S = 86_400
_CODES = 65_536
_NOTES_AT_ONCE: Final = 1_000
_REFUSALS: Final = ("OOM command not allowed", "ACL failure in script", "can't run this command")


class DeadNumberRule(NamedTuple):
    """Which codes mean that a number is dead, and for how long."""

    codes: frozenset[int] = frozenset()
    keep_days: int = 0
    """Days after which a number is tried again; 0 if no number is dead."""


class DeadNumber(NamedTuple):
    """The note about a dead number."""

    since_day: int
    """The last day in India on which the number was reported dead, in days since the epoch."""
    code: int


class DeadNumbers:
    """Notes dead numbers. Numbers are E.164 digits without the plus, at least six of them."""

    def __init__(self, redis: Redis, rule: DeadNumberRule) -> None:
        self._redis = redis
        self.rule = rule
        self._note = Script(redis, "note_dead_numbers")

    async def add(self, codes: Mapping[str, int]) -> None:
        """Note numbers with the codes of their results or reports; do nothing without a rule.

        If Redis is full, or if the Redis user lacks the permission, no number is noted. Results of pushes and reports
        do not wait for such notes, so a message to the number may be paid for once more.
        """
        if not codes or self.rule.keep_days <= 0:
            return
        all_notes = [f"{number[:_CUT]}:{int(number[_CUT:])}:{code}" for number, code in codes.items()]
        for first in range(0, len(all_notes), _NOTES_AT_ONCE):
            # The notes are one text, because each argument makes a script slower.
            notes = " ".join(all_notes[first : first + _NOTES_AT_ONCE])
            try:
                await self._note(OPT_OUTS, keep_s=self.rule.keep_days * _DAY_S, notes=notes)
            except ResponseError as error:
                if not _is_refusal(error):
                    raise
                return

    async def revive(self, numbers: Sequence[str]) -> None:
        """Delete the notes about numbers that got a message; do nothing without a rule or without the permission."""
        if not numbers or self.rule.keep_days <= 0:
            return
        try:
            for first in range(0, len(numbers), _NOTES_AT_ONCE):
                async with self._redis.pipeline(transaction=False) as pipe:
                    for number in numbers[first : first + _NOTES_AT_ONCE]:
                        pipe.hdel(*_bucket_and_field(number))
                    await pipe.execute()
        except ResponseError as error:
            if not _is_refusal(error):
                raise

    async def find(self, number: str) -> DeadNumber | None:
        """Return the note about a number, also if the note is too old to count; None without a note."""
        value = cast("bytes | None", await self._redis.hget(*_bucket_and_field(number)))
        return DeadNumber(*divmod(int(value), _CODES)) if value else None

    async def counts(self, dead: DeadNumber) -> bool:
        """Say whether a note is recent enough that the number gets no message."""
        seconds, _ = await self._redis.time()
        return india_day(int(seconds)) - dead.since_day < self.rule.keep_days

    async def remove(self, number: str) -> bool:
        """Delete the note about a dead number; return whether there was a note."""
        return bool(await self._redis.hdel(*_bucket_and_field(number)))


def _is_refusal(error: ResponseError) -> bool:
    """Return whether Redis is full, or denies the permission; errors in scripts of Redis 6.2 have other texts."""
    return isinstance(error, OutOfMemoryError | NoPermissionError) or any(word in str(error) for word in _REFUSALS)


def _bucket_and_field(number: str) -> tuple[str, str]:
    return f"{OPT_OUTS_DEAD}:{number[:_CUT]}", str(int(number[_CUT:]))
