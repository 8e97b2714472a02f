"""Reads statistics: of campaigns, and of days, senders, providers and templates; no query reads a message."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.keys import SENDERS, SenderKey, sender_key, statistics_key
from times_dispatch.ledger.lanes.names import header_of, is_lane
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.scripts import Script, text
from times_dispatch.ledger.statistics.figures import Amounts, Course, course_of, total

_EPOCH: Final = date(1970, 1, 1)
KEPT_DAYS: Final = 1_100
"""For how many days rollups are kept; ``lua/lib/rollups.lua`` has the same number."""
KEPT_HOURS: Final = 24
"""For how many hours minutes are kept; ``lua/lib/rollups.lua`` has the same number."""
_INDIA_AHEAD_S: Final = 19_800
_AT_ONCE: Final = 2_000
"""How many rollups one round trip reads."""
_SUMMED_AT_ONCE: Final = 100
"""How many rollups one call adds up: about three milliseconds of Redis' time."""
_CALLS_AT_ONCE: Final = 4
"""How many calls are under way, so that Redis works while this process adds up."""


class RollupKey(msgspec.Struct, frozen=True, order=True):
    """The day, sender, provider and template of a rollup."""

    day: date
    """In India."""
    sender: SenderId
    provider: str
    template: str
    lane: str = ""
    """The lane that counted the messages, if it is not the sender's first lane."""

    @classmethod
    def of(cls, day: date, owner: SenderId, provider: str, template: str) -> "RollupKey":
        """Return the rollup of a lane, or of a sender without lanes."""
        return cls(day, header_of(owner), provider, template, owner if is_lane(owner) else "")

    @property
    def owner(self) -> SenderId:
        """Return the sender or lane whose hash tag the rollup's key has."""
        return SenderId(self.lane or self.sender)

    @property
    def member(self) -> str:
        """Return the rollup's member in the index of its sender."""
        return f"{(self.day - _EPOCH).days}:{self.provider}:{self.template}"

    @property
    def key(self) -> str:
        """Return the key of the rollup in Redis."""
        return f"{sender_key(self.owner, SenderKey.STATISTICS)}:{self.member}"


class RollupFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which rollups are read; an empty text and None choose all."""

    senders: Sequence[SenderId] = ()
    provider: str = ""
    template: str = ""
    since: date | None = None
    """The first day."""
    until: date | None = None
    """The last day."""


class RollupSums(NamedTuple):
    """The sums of rollups, by groups and in all."""

    groups: dict[str, Counter[str]]
    """By the name of the group."""
    total: Counter[str]
    """Over all groups, with all fields."""


class StatisticsReader:
    """Reads the counters that the scripts keep."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._sum_rollups = Script(redis, "sum_rollups")

    async def campaign(self, sender: SenderId, campaign: CampaignId) -> Amounts:
        """Return the statistics of a campaign; empty if nothing was counted yet."""
        reply: Any = await self._redis.hgetall(statistics_key(sender, campaign))
        return _amounts(reply)

    async def keys(self, chosen: RollupFilter) -> list[RollupKey]:
        """Return the existing rollups that match, in order of the day."""
        senders = await self._owners(chosen.senders)
        first = str((chosen.since - _EPOCH).days) if chosen.since else "-inf"
        last = str((chosen.until - _EPOCH).days) if chosen.until else "+inf"
        async with self._redis.pipeline(transaction=False) as pipe:
            for sender in senders:
                pipe.zrangebyscore(sender_key(sender, SenderKey.STATISTICS), first, last)
            replies = await pipe.execute()
        keys = [
            _read_member(sender, text(member))
            for sender, members in zip(senders, replies, strict=True)
            for member in members
        ]
        return sorted(
            key for key in keys if chosen.provider in {"", key.provider} and chosen.template in {"", key.template}
        )

    async def sums(
        self, chosen: RollupFilter, group_of: Callable[[RollupKey], str], *, fields: Sequence[str] = ()
    ) -> RollupSums:
        """Return the sums of the rollups by the groups that *group_of* names, and over all groups.

        Redis adds up the rollups in short calls, each for one sender; a rollup takes about thirty microseconds of
        Redis' time.

        Args:
            chosen: the rollups.
            group_of: returns the name of a rollup's group.
            fields: the fields that the sums of groups have; empty for all. With few fields, many groups cost little.
        """
        result = RollupSums({}, Counter())
        pieces = _pieces(sorted(await self.keys(chosen), key=attrgetter("owner")))

        async def add_pieces() -> None:
            for piece in pieces:
                names = list(map(group_of, piece))
                groups = {name: number for number, name in enumerate(dict.fromkeys(names), 1)}
                rollups = [
                    {"member": key.member, "group": groups[name]} for key, name in zip(piece, names, strict=True)
                ]
                reply = await self._sum_rollups(piece[0].owner, fields=" ".join(fields), rollups=rollups)
                for name, amounts in zip(groups, _GROUPS.decode(reply["groups"]), strict=True):
                    _add(result.groups.setdefault(name, Counter()), amounts)
                _add(result.total, _TOTAL.decode(reply["total"]))

        await asyncio.gather(*(add_pieces() for _ in range(_CALLS_AT_ONCE)))
        if not fields:
            for amounts in result.groups.values():
                _add(result.total, amounts)
        return result

    async def rollups(self, chosen: RollupFilter) -> AsyncIterator[tuple[RollupKey, Amounts]]:
        """Yield the rollups in order of the day; the cost grows only with the number of rollups."""
        keys = await self.keys(chosen)
        for first in range(0, len(keys), _AT_ONCE):
            some = keys[first : first + _AT_ONCE]
            async with self._redis.pipeline(transaction=False) as pipe:
                for key in some:
                    pipe.hgetall(key.key)
                replies = await pipe.execute()
            for key, reply in zip(some, replies, strict=True):
                if reply:
                    yield key, _amounts(reply)

    async def last_minutes(self, senders: Sequence[SenderId]) -> dict[int, Course]:
        """Return the course of the last 24 hours by the minute since the epoch in India; no senders means all."""
        seconds, _ = await self._redis.time()
        this_hour = (int(seconds) + _INDIA_AHEAD_S) // 3600
        owners = await self._owners(senders)
        minutes: dict[int, Counter[str]] = {}
        for hour in range(this_hour - KEPT_HOURS, this_hour + 1):
            for field, amount in total(await self.minutes_of(owners, hour)).items():
                minutes.setdefault(60 * hour + int(field[:-1]), Counter())[field[-1]] = amount
        return {minute: course_of(counts) for minute, counts in sorted(minutes.items())}

    async def minutes(self, sender: SenderId, hour: int) -> Amounts:
        """Return the counters of an hour (since the epoch, in India): ``<minute><letter>`` to messages."""
        [amounts] = await self.minutes_of([sender], hour)
        return amounts

    async def minutes_of(self, senders: Sequence[SenderId], hour: int) -> list[Amounts]:
        """Return the counters of ``minutes`` for several senders, in one round trip."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for sender in senders:
                pipe.hgetall(f"{sender_key(sender, SenderKey.MINUTES)}:{hour}")
            return [_amounts(reply) for reply in await pipe.execute()]

    async def _owners(self, senders: Sequence[SenderId]) -> list[SenderId]:
        """Return the senders, or all that the ledger knows, with their lanes."""
        known = [SenderId(text(name)) for name in await self._redis.smembers(SENDERS)]
        wanted = set(senders)
        return sorted(wanted.union(name for name in known if not wanted or header_of(name) in wanted))


@lru_cache(2 * KEPT_DAYS)
def day_of(india_day: int) -> date:
    """Return the date of a day since the epoch."""
    return _EPOCH + timedelta(days=india_day)


def _read_member(sender: SenderId, member: str) -> RollupKey:
    day, provider, template = member.split(":", 2)
    return RollupKey.of(day_of(int(day)), sender, provider, template)


def _amounts(reply: dict[bytes, bytes]) -> Amounts:
    return {field.decode(): int(amount) for field, amount in reply.items()}


_TOTAL: Final = msgspec.msgpack.Decoder(dict[str, int] | list[int])
_GROUPS: Final = msgspec.msgpack.Decoder(list[dict[str, int] | list[int]])
"""A map without fields arrives as an empty list."""


def _pieces(keys: Sequence[RollupKey]) -> Iterator[Sequence[RollupKey]]:
    """Yield the keys in pieces of one sender each; the keys are in order of the sender."""
    for _, of_sender in groupby(keys, attrgetter("owner")):
        several = list(of_sender)
        for first in range(0, len(several), _SUMMED_AT_ONCE):
            yield several[first : first + _SUMMED_AT_ONCE]


def _add(sums: Counter[str], amounts: Amounts | list[int]) -> None:
    if isinstance(amounts, list):
        return
    if not sums:
        sums.update(amounts)
        return
    for field, amount in amounts.items():
        sums[field] += amount
