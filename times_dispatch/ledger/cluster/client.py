"""The client of a cluster: a ``Redis`` that sends each command to the node that owns the command's hash slot."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.cluster.errors import LOST
from times_dispatch.ledger.cluster.node_urls import Address
from times_dispatch.ledger.cluster.pipeline import ClusterPipeline
from times_dispatch.ledger.cluster.routes import home_slot, may_follow_ask, slot_of
from times_dispatch.ledger.cluster.topology import Topology
from times_dispatch.retry import Backoff

T = TypeVar("T")

Call = Callable[[Any, bool], Awaitable[T]]
"""Runs commands of one slot on a node (a ``Redis``); the flag says whether ASKING precedes each command. The type of
the node is ``Any``, because redis-py's methods for whole commands have no types."""

_ON_ALL_PRIMARIES: Final = frozenset({"SCRIPT LOAD", "FLUSHALL", "FLUSHDB"})
_MAX_HOPS: Final = 16
"""How many times in a row a call follows MOVED without a pause."""


class ClusterRedis(Redis):
    """A ``Redis`` for a whole cluster.

    A call whose slot is moving waits for the slot, at most as long as a call waits for a response. After this time the
    call raises the node's error, which callers handle as an unavailable Redis. A call whose node does not answer asks
    the other nodes for the new owner, and is repeated as often as a call to a single Redis.
    """

    def __init__(
        self,
        seeds: Sequence[Address],
        open_node: Callable[[Address], Redis],
        *,
        retries: int,
        repeat_after_timeout: bool,
        slot_timeout_s: float,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Make the client; nothing is connected yet.

        Args:
            seeds: The nodes that are asked first for the owners of the slots.
            open_node: Makes the client of one node; that client must not repeat calls by itself.
            retries: How many times a call is repeated after its node did not answer.
            repeat_after_timeout: Whether a call is also repeated if the connection is open, but no response came in
                time.
            slot_timeout_s: How long a call waits for a slot that is moving or not served, in seconds.
            clock: The clock that the waits use.
        """
        self.topology = Topology(seeds, open_node)
        self.name = ",".join(map(str, seeds))
        """The nodes in the URL, for messages to people."""
        super().__init__(connection_pool=self.topology.node(seeds[0]).connection_pool)
        self._retries = retries
        self._lost = LOST if repeat_after_timeout else LOST[:1]
        self._slot_timeout_s = slot_timeout_s
        self._clock = clock
        self._rng = random.Random()

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run a command on the node that owns its slot; return its reply."""
        command = str(args[0]).upper()
        if command in _ON_ALL_PRIMARIES:
            return await self._on_all_primaries(args, options)
        if command == "INFO":
            return await self._info_of_the_fullest(args, options)
        slot = slot_of(args)

        async def call(node: Any, is_asking: bool) -> Any:
            if not is_asking:
                return await node.execute_command(*args, **options)
            if not may_follow_ask(args):
                raise exceptions.TryAgainError("TRYAGAIN the hash slot is being moved")
            async with node.pipeline(transaction=False) as pipe:
                pipe.execute_command("ASKING")
                pipe.execute_command(*args, **options)
                return (await pipe.execute())[1]

        return await self.at_slot(home_slot() if slot is None else slot, call)

    async def at_slot(self, slot: int, call: Call[T]) -> T:
        """Make a call to the owner of a slot, and follow the slot; raise the last error if that does not help.

        The loop is not ``retry()``, because the error decides which node gets the next try, and whether it waits.
        """
        give_up_at, failures, hops = self._clock.monotonic() + self._slot_timeout_s, 0, 0
        slot_backoff = Backoff(first_s=0.02, max_s=0.25, rng=self._rng)
        node_backoff = Backoff(first_s=0.1, max_s=1.0, rng=self._rng)
        asked: Redis | None = None
        while True:
            version, node = self.topology.version, asked
            try:
                if node is None:
                    node = await self.topology.owner(slot)
                    version = self.topology.version
                result = await call(node, asked is not None)
            except exceptions.MovedError as moved:
                asked, hops = None, hops + 1
                self.topology.move(slot, _address(moved, node))
                if hops <= _MAX_HOPS:
                    continue
                error: Exception = moved
            except exceptions.AskError as ask:
                if asked is None:
                    asked = self.topology.node(_address(ask, node))
                    continue
                asked, error = None, ask
            except (exceptions.TryAgainError, exceptions.ClusterDownError) as refused:
                asked, error = None, refused
            except self._lost:
                asked, failures = None, failures + 1
                if failures > self._retries:
                    raise
                await self._learn_again(version, last=node)
                await self._clock.sleep(node_backoff.next_s())
                continue
            else:
                return result
            if self._clock.monotonic() >= give_up_at:
                raise error
            hops = 0
            await self._clock.sleep(slot_backoff.next_s())
            await self._learn_again(version, last=None)

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        """Return a pipeline; ``shard_hint`` may be ``pipeline.IN_ORDER``."""
        return ClusterPipeline(self, transaction=transaction, shard_hint=shard_hint)

    async def primaries(self) -> dict[Address, Redis]:
        """Return a client of each node that owns slots."""
        return await self.topology.primaries()

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close the connections to all nodes."""
        await self.topology.aclose()
        await super().aclose(close_connection_pool)

    async def _learn_again(self, version: int, *, last: Redis | None) -> None:
        try:
            await self.topology.refresh(version, last=last)
        except LOST:
            return  # the next try asks the nodes again

    async def _on_all_primaries(self, args: Any, options: Any) -> Any:
        """Run a command on all primaries; return one of the replies. A node that does not answer counts as absent."""
        return (await self._replies_of_primaries(args, options))[0]

    async def _info_of_the_fullest(self, args: Any, options: Any) -> Any:
        """Return INFO of the primary with the fullest memory, because this primary reaches its limits first."""
        return max(await self._replies_of_primaries(args, options), key=_fullness)

    async def _replies_of_primaries(self, args: Any, options: Any) -> list[Any]:
        """Return the replies of all primaries that answer; raise an error if none answers, or if one refuses."""
        version = self.topology.version
        replies = await self._ask_primaries(args, options)
        if any(isinstance(reply, LOST) for reply in replies):  # another node may have taken over
            await self._learn_again(version, last=None)
            replies = await self._ask_primaries(args, options)
        good = [reply for reply in replies if not isinstance(reply, BaseException)]
        for reply in replies:
            if isinstance(reply, BaseException) and not (good and isinstance(reply, LOST)):
                raise reply
        return good

    async def _ask_primaries(self, args: Any, options: Any) -> list[Any]:
        nodes: list[Any] = list((await self.primaries()).values())
        return await asyncio.gather(*(node.execute_command(*args, **options) for node in nodes), return_exceptions=True)


def _fullness(info: Any) -> tuple[float, int]:
    used, limit = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    return used / limit if limit else 0.0, used


def _address(redirect: exceptions.AskError, node: Redis | None) -> Address:
    """Return the address in a redirect. A redirect without a host means the host of the node that sent it."""
    host = redirect.host or (node.connection_pool.connection_kwargs["host"] if node else "")
    return Address(host, redirect.port)
