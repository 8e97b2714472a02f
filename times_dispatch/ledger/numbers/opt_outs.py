"""The opt-out list: numbers that must not be texted, millions of them, in a few bytes each.

A number is cut before its last five digits: the digits before the cut name a bucket, the last five are an integer in
the bucket's set. Redis keeps sets of up to 512 integers as sorted arrays with four bytes for each entry. So a list of
one million Indian mobile numbers takes about 7 bytes for each number, and a longer list takes fewer. A company that
sends messages has to keep such a list (docs/domain.md section 5).
"""

from collections.abc import AsyncIterator, Sequence
from enum import IntEnum

from redis.asyncio import Redis

from times_dispatch.ledger.cluster.client import ClusterRedis
from times_dispatch.ledger.cluster.routes import slot_of
from times_dispatch.ledger.keys import OPT_OUTS, OPT_OUTS_BUCKET, OPT_OUTS_CHANGES
from times_dispatch.ledger.numbers.forgotten_numbers import FORGOTTEN
from times_dispatch.ledger.redis_clock import RedisClock
from times_dispatch.ledger.scripts import Script, text
from times_dispatch.ledger.trail import TrailAction, add_entry, packed_entry
from times_dispatch.plurals import counted

_CUT = -5
_PAGE = 1_000


class Listed(IntEnum):
    """The result of the look-up of a number; 0, which is false, means that the number may be texted."""

    NOT_LISTED = 0
    OPTED_OUT = 1
    DEAD = 2
    """The number is a dead number (``ledger/numbers/dead_numbers.py``)."""


_LISTED = {ord(str(listed.value)): listed for listed in Listed}


class OptOuts:
    """The opt-out list. Numbers are E.164 digits without the plus, at least six of them."""

    def __init__(self, redis: Redis, *, actor: str = "", file_name: str = "", dead_keep_days: int = 0) -> None:
        """Open the list.

        Args:
            redis: the ledger.
            actor: the person on whose behalf the list is changed; noted in the trail of the list.
            file_name: the name of the file with all numbers that are added or removed; the trail then has one entry,
                written with the first change.
            dead_keep_days: for how many days a number counts as dead in ``contains``; 0 leaves out dead numbers.
        """
        self._redis = redis
        self._dead_keep_days = dead_keep_days
        self._actor = actor
        self._file_name = file_name
        self._is_file_noted = False
        self._contain_opt_outs = Script(redis, "contain_opt_outs")

    async def add(self, numbers: Sequence[str]) -> int:
        """Put numbers on the list; return how many of them were not on the list."""
        return await self._change("sadd", numbers, TrailAction.OPT_OUTS_ADDED)

    async def remove(self, numbers: Sequence[str]) -> int:
        """Take numbers off the list; return how many of them were on the list."""
        return await self._change("srem", numbers, TrailAction.OPT_OUTS_REMOVED)

    async def contains(self, numbers: Sequence[str]) -> list[Listed]:
        """Return for each number whether it is on the list or dead, with one call to Redis."""
        if not numbers:
            return []
        members = [{"bucket": number[:_CUT], "member": int(number[_CUT:])} for number in numbers]
        reply = await self._contain_opt_outs(OPT_OUTS, dead_keep_days=self._dead_keep_days, phones=members)
        return [_LISTED[flag] for flag in reply["are_on_list"]]

    async def changes(self) -> int:
        """Return how many times the list or the dead numbers were changed; 0 if no number was ever in either."""
        return int(await self._redis.get(OPT_OUTS_CHANGES) or 0)

    async def is_empty(self) -> bool:
        """Say whether no number was ever put on the list or reported dead."""
        return not await self.changes()

    async def count(self) -> int:
        """Return how many numbers are on the list; this reads the size of every bucket."""
        total = 0
        async for buckets in self._buckets():
            async with self._redis.pipeline(transaction=False) as pipe:
                for bucket in buckets:
                    pipe.scard(bucket)
                total += sum(await pipe.execute())
        return total

    async def iterate(self) -> AsyncIterator[list[str]]:
        """Yield all numbers, in groups, unordered. A number that is added or removed meanwhile may be missing."""
        async for buckets in self._buckets():
            async with self._redis.pipeline(transaction=False) as pipe:
                for bucket in buckets:
                    pipe.smembers(bucket)
                members = await pipe.execute()
            numbers = [
                f"{bucket.rpartition(':')[2]}{int(member):0{-_CUT}}"
                for bucket, of_bucket in zip(buckets, members, strict=True)
                for member in of_bucket
            ]
            if numbers:
                yield numbers

    async def _change(self, command: str, numbers: Sequence[str], action: TrailAction) -> int:
        changed = 0
        detail = f"from {self._file_name}" if self._file_name else counted(len(numbers), "number")
        trail = "" if self._is_file_noted else packed_entry(self._actor, action, detail=detail)
        for first in range(0, len(numbers), _PAGE):
            # The changes are one transaction, so a reader that sees the old count of changes sees none of the changes.
            async with self._redis.pipeline(transaction=True) as pipe:
                for number in numbers[first : first + _PAGE]:
                    pipe.execute_command(command, f"{OPT_OUTS_BUCKET}:{number[:_CUT]}", int(number[_CUT:]))
                pipe.incr(OPT_OUTS_CHANGES)
                if trail:
                    add_entry(pipe, OPT_OUTS, trail)
                replies = await pipe.execute()
            changed += sum(replies[: len(numbers[first : first + _PAGE])])
            trail = ""
            self._is_file_noted = bool(self._file_name)
        return changed

    async def _buckets(self) -> AsyncIterator[list[str]]:
        """Yield the keys of all buckets without duplicates, except the bucket of ``FORGOTTEN``.

        On a cluster, the list may move to another node during the search, and each node finds only its own keys. Then
        the search begins again.
        """
        seen = {f"{OPT_OUTS_BUCKET}:{FORGOTTEN[:_CUT]}"}
        before = await self._settled_node()
        while True:
            cursor = 0
            while True:
                cursor, keys = await self._redis.scan(cursor, match=f"{OPT_OUTS_BUCKET}:*", count=_PAGE)
                fresh = [key for key in map(text, keys) if key not in seen]
                seen.update(fresh)
                if fresh:
                    yield fresh
                if not cursor:
                    break
            after = await self._settled_node()
            if after is before:
                return
            before = after

    async def _settled_node(self) -> Redis:
        """Return the server that has the whole list; raise a Redis error if the list moves for too long."""
        if not isinstance(self._redis, ClusterRedis):
            return self._redis
        await RedisClock(self._redis).now_ms(OPT_OUTS)  # a call of a script waits until the list is on one node
        return await self._redis.topology.owner(slot_of(("GET", OPT_OUTS_CHANGES)) or 0)
