"""The nodes of a cluster, the hash slots that each node owns at the last refresh, and a client for each node."""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from redis import exceptions
from redis.asyncio import Redis

from times_dispatch.ledger.cluster.errors import LOST
from times_dispatch.ledger.cluster.node_urls import Address

SLOTS: Final = 16_384
_REFRESH_EVERY_S: Final = 0.1
"""Nodes are asked for the owners of the slots at most this often."""
_ANSWER_WITHIN_S: Final = 1.0
"""How long a node may take to name the owners of the slots; then the next node is asked."""


class Topology:
    """The owners of the slots. Any node that answers can name them; the nodes of the URL are asked first."""

    def __init__(self, seeds: Sequence[Address], open_node: Callable[[Address], Redis]) -> None:
        self._seeds = seeds
        self._open_node = open_node
        self._nodes: dict[Address, Redis] = {}
        self._owners: list[Address | None] = [None] * SLOTS
        self._members: tuple[Address, ...] = ()
        """All nodes of the cluster, also replicas, at the last refresh."""
        self._refreshing = asyncio.Lock()
        self._refreshed_at = float("-inf")
        self.version = 0
        """The version of the known owners; it grows with each change."""

    async def owner(self, slot: int) -> Redis:
        """Return the client of the node that owns a slot.

        Raises:
            ClusterDownError: No node owns the slot.
            ConnectionError: No node answers.
        """
        if self.version == 0:
            await self.refresh(0)
        address = self._owners[slot]
        if address is None:
            raise exceptions.ClusterDownError("CLUSTERDOWN no node serves this hash slot")
        return self.node(address)

    def node(self, address: Address) -> Redis:
        """Return the client of a node."""
        if address not in self._nodes:
            self._nodes[address] = self._open_node(address)
        return self._nodes[address]

    async def primaries(self) -> dict[Address, Redis]:
        """Return the nodes that own slots, by address; raise as ``owner`` does."""
        if self.version == 0:
            await self.refresh(0)
        return {address: self.node(address) for address in sorted(set(filter(None, self._owners)))}

    @property
    def uncovered(self) -> int:
        """How many slots no node serves."""
        return self._owners.count(None)

    def move(self, slot: int, address: Address) -> None:
        """Note the new owner of a slot."""
        self._owners[slot] = address
        self.version += 1

    async def refresh(self, known_version: int, *, last: Redis | None = None) -> None:
        """Ask the nodes for the owners of the slots, unless another call has asked since *known_version*.

        Args:
            known_version: The version of the known owners when the caller's call failed.
            last: A node that is asked after all others, because it did not answer.

        Raises:
            ConnectionError: No node answers.
        """
        async with self._refreshing:
            if self.version != known_version:
                return
            now = asyncio.get_running_loop().time()
            if self.version and now - self._refreshed_at < _REFRESH_EVERY_S:
                return
            self._refreshed_at = now
            members = list(self._members)
            random.shuffle(members)
            others = [
                address for address in [*members, *self._seeds] if self._nodes.get(address) is not last or not last
            ]
            failing = [address for address, node in self._nodes.items() if node is last]
            error: Exception | None = None
            for address in dict.fromkeys([*others, *failing]):
                try:
                    node: Any = self.node(address)
                    async with asyncio.timeout(_ANSWER_WITHIN_S):
                        reply = await node.execute_command("CLUSTER", "SLOTS")
                    await self._learn(reply, address)
                except (*LOST, TimeoutError) as failure:
                    error = failure
                except (ValueError, TypeError) as failure:  # the server is no node of a cluster
                    error = failure
                except exceptions.NoPermissionError:
                    raise
                except exceptions.ResponseError as failure:
                    if "cluster support disabled" in str(failure):
                        raise exceptions.ConnectionError(
                            f"the server at {address} is not part of a cluster"
                        ) from failure
                    error = failure
                else:
                    return
            if isinstance(error, exceptions.AuthenticationError):
                raise error
            raise exceptions.ConnectionError("no node of the cluster answers") from error

    async def aclose(self) -> None:
        """Close the clients of all nodes."""
        nodes, self._nodes = list(self._nodes.values()), {}
        self.version = 0
        for node in nodes:
            await node.aclose()

    async def _learn(self, reply: Any, asked: Address) -> None:
        """Read a reply to CLUSTER SLOTS: for each range its first and last slot, and its nodes, the primary first."""
        owners: list[Address | None] = [None] * SLOTS
        members: dict[Address, None] = {}
        for first, last, *nodes in reply:
            if not 0 <= first <= last < SLOTS:
                raise ValueError("there are no such slots")
            # A node that does not know its own address leaves the address out.
            addresses = [Address(_text(host) or asked.host, int(port)) for host, port, *_ in nodes]
            members.update(dict.fromkeys(addresses))
            owners[first : last + 1] = addresses[:1] * (last + 1 - first)
        if not members:
            raise exceptions.ConnectionError(f"the node at {asked} knows no owner of any slot")
        self._owners, self._members = owners, tuple(members)
        self.version += 1
        known = {*members, *self._seeds}
        for gone in [address for address in self._nodes if address not in known]:
            with suppress(exceptions.RedisError, OSError):
                await self._nodes.pop(gone).aclose()


def _text(host: Any) -> str:
    text = host.decode() if isinstance(host, bytes) else host or ""
    return "" if text == "?" else text
