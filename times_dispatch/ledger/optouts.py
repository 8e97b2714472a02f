"""Numbers that must not be texted: millions of them, in a few bytes each.

A number is cut before its last five digits: what stands before names a bucket, the rest is a small integer in the
bucket's set. Redis keeps sets of up to 512 integers as sorted arrays, four bytes an entry, so a list of Indian mobile
numbers takes about 7 bytes a number at one million and less above. The local opt-out list is
ours to keep (docs/domain.md section 5).
"""

from collections.abc import AsyncIterator, Sequence
from importlib import resources

from redis.asyncio import Redis

from times_dispatch.ledger.scripts import text

_TAG = "{optouts}"
_CUT = -5
_PAGE = 1_000


class OptOuts:
    """The opt-out list. Numbers are E.164 digits without the plus, at least six of them."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        source = resources.files("times_dispatch.ledger") / "lua" / "contain_optouts.lua"
        self._contain = redis.register_script(source.read_text("utf-8"))

    async def add(self, numbers: Sequence[str]) -> int:
        """Put numbers on the list; return how many were not on it."""
        return await self._change("sadd", numbers)

    async def remove(self, numbers: Sequence[str]) -> int:
        """Take numbers off the list; return how many were on it."""
        return await self._change("srem", numbers)

    async def contains(self, numbers: Sequence[str]) -> list[bool]:
        """Say for each number whether it is on the list; one call to Redis."""
        if not numbers:
            return []
        arguments: list[str | int] = []
        for number in numbers:
            arguments += (number[:_CUT], int(number[_CUT:]))
        reply = await self._contain(keys=[_TAG], args=arguments)
        return [found == ord("1") for found in reply]

    async def is_empty(self) -> bool:
        """Say whether nobody is on the list, without looking at the list."""
        return not await self._redis.exists(f"{_TAG}:any")

    async def count(self) -> int:
        """Count the numbers on the list; reads the size of every bucket."""
        total = 0
        async for buckets in self._buckets():
            async with self._redis.pipeline(transaction=False) as pipe:
                for bucket in buckets:
                    pipe.scard(bucket)
                total += sum(await pipe.execute())
        return total

    async def iterate(self) -> AsyncIterator[list[str]]:
        """Yield all numbers, in groups, in no order; one that is added or removed meanwhile may be missed or met."""
        async for buckets in self._buckets():
            async with self._redis.pipeline(transaction=False) as pipe:
                for bucket in buckets:
                    pipe.smembers(bucket)
                members = await pipe.execute()
            found = [
                f"{bucket.rpartition(':')[2]}{int(member):0{-_CUT}}"
                for bucket, within in zip(buckets, members, strict=True)
                for member in within
            ]
            if found:
                yield found

    async def _change(self, command: str, numbers: Sequence[str]) -> int:
        changed = 0
        for first in range(0, len(numbers), _PAGE):
            async with self._redis.pipeline(transaction=False) as pipe:
                if command == "sadd":
                    pipe.set(f"{_TAG}:any", 1)
                for number in numbers[first : first + _PAGE]:
                    pipe.execute_command(command, f"{_TAG}:n:{number[:_CUT]}", int(number[_CUT:]))
                replies = await pipe.execute()
            changed += sum(reply for reply in replies if isinstance(reply, int) and not isinstance(reply, bool))
        return changed

    async def _buckets(self) -> AsyncIterator[list[str]]:
        """Yield the keys of the buckets, each once."""
        cursor = 0
        seen: set[str] = set()
        while True:
            cursor, keys = await self._redis.scan(cursor, match=f"{_TAG}:n:*", count=_PAGE)
            fresh = [key for key in map(text, keys) if key not in seen]
            seen.update(fresh)
            if fresh:
                yield fresh
            if not cursor:
                return
