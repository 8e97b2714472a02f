"""What a worker does with the ledger: take a batch, open blocks of it, record outcomes, let it go."""

import secrets
import struct
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import NamedTuple

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.errors import CampaignUnknown, Damage, LeaseLost
from times_dispatch.ledger.model import BatchRef, CampaignId, Plan, Recipients, SenderId
from times_dispatch.ledger.records import transaction_bytes, unpack_recipients
from times_dispatch.ledger.scripts import Script, campaign_key, text

AHEAD_US = 40_000
"""How far ahead of Redis' clock slots are given out: with the tolerance, 5 % of a second (docs/concepts.md)."""
TOLERANCE_US = 10_000
"""How late a taker may be without losing slots; the most that can go at once is what falls into this time."""
WINDOW_S = 2.0
"""A sender's batches out for work hold about so many seconds of its rate."""

_HEAD = struct.Struct(">HddB")
_OPENED = struct.Struct(">HB")
_OUTCOME = struct.Struct(">HHcHQB")


class BatchReady(msgspec.Struct, frozen=True):
    """A batch that was handed out: whoever is told of it rings the bell."""

    ref: BatchRef
    batches: int
    name: str
    """The campaign's name, for people."""
    urgent: bool


class Lease(msgspec.Struct, frozen=True):
    """The right to work on a batch, until it runs out."""

    ref: BatchRef
    token: int
    recipients: Recipients


class Block(NamedTuple):
    """Messages that are now ``sending``, in the hands of whoever opened the block."""

    number: int
    starts_in_s: float
    """When the first may go, from now; below 0 if that moment has passed."""
    interval_s: float
    """The time that one unit of cost takes at the sender's rate; 0 if there is no limit."""
    messages: list[tuple[int, int]]
    """Index within the batch, and attempt."""
    provider: int = 0
    """Place in the campaign's chain (``Plan.chain``) of the one through which they go."""


class Wait(NamedTuple):
    """Nothing may go for so long."""

    seconds: float
    why: str


class Drained(NamedTuple):
    """Nothing of the batch is pending."""


class BatchClosed(NamedTuple):
    """Hand the batch back.

    The campaign or its sender does not run, or all its providers are braked, or back off while others could go.
    """

    why: str


Opened = Block | Wait | Drained | BatchClosed


class Result(msgspec.Struct, frozen=True, gc=False):
    """What became of one message of a block."""

    index: int
    block: int
    verdict: bytes
    """One byte: a accepted, r rejected, i in doubt, p not sent (back to pending), b never begun (back to pending),
    u suppressed."""
    code: int = 0
    transaction_id: str = ""
    parts: int = 0


class Consequence(NamedTuple):
    """What outcomes mean beyond their own messages."""

    back_off: str = ""
    """Empty: not at all; ``alone``: if nothing was accepted meanwhile; ``always``: the provider asked for it."""
    at_least_s: float = 0.0
    jitter: float = 1.0
    """Between 0.5 and 1; spreads the workers' returns."""
    brake: str = ""
    """Empty, ``campaign``, or ``sender`` (at the provider that the outcomes are of)."""
    reason: str = ""


class BatchLeases:
    """The worker's side of the ledger. Every call may be repeated, also by the Redis client itself."""

    def __init__(
        self,
        redis: Redis,
        *,
        lease_s: float = 15.0,
        unlimited_window: int = 16,
        on_damage: Callable[[Damage], None] = lambda _: None,
    ) -> None:
        self._redis = redis
        self._on_damage = on_damage
        self._lease_ms = int(lease_s * 1000)
        self._unlimited_window = unlimited_window
        self._issue = Script(redis, "issue")
        self._take = Script(redis, "take")
        self._renew = Script(redis, "renew")
        self._open = Script(redis, "open_block")
        self._record = Script(redis, "record")
        self._release = Script(redis, "release")

    async def issue(self, sender: SenderId) -> list[BatchReady]:
        """Hand out batches until the sender's window is full; the caller rings for each."""
        issued, damaged = await self._issue(sender, WINDOW_S, self._unlimited_window, self._lease_ms)
        for campaign, error in damaged:
            self._on_damage(Damage(sender, CampaignId(text(campaign)), "", "handed out", text(error)))
        return rings(sender, issued)

    async def plan(self, sender: SenderId, campaign: CampaignId) -> Plan:
        """Return the campaign's plan; raise ``CampaignUnknown``."""
        stored = await self._redis.hget(campaign_key(sender, campaign), "plan")
        if stored is None:
            raise CampaignUnknown(campaign)
        return msgspec.json.decode(stored, type=Plan)

    async def take(self, ref: BatchRef) -> Lease | None:
        """Take the lease of a batch; None if it is in other hands or nothing is owed."""
        reply = await self._take(ref.sender, ref.campaign, ref.number, self._lease_ms, new_operation())
        if reply[0] != b"taken":
            return None
        return Lease(ref, reply[1], unpack_recipients(reply[3]))

    async def renew(self, sender: SenderId, leases: Sequence[Lease]) -> list[bool]:
        """Renew leases of one sender; say for each whether it is still held."""
        arguments: list[str | int] = []
        for lease in leases:
            arguments += (lease.ref.campaign, lease.ref.number, lease.token)
        return [bool(held) for held in await self._renew(sender, self._lease_ms, *arguments)]

    async def open_block(self, lease: Lease, *, most: int, operation: str) -> Opened:
        """Mark up to ``most`` pending messages as ``sending`` and return them; raise ``LeaseLost``.

        The same ``operation`` gets the same block again, so the call can be repeated until its answer arrives.
        """
        ref = lease.ref
        reply = await self._open(
            ref.sender, ref.campaign, ref.number, lease.token, operation, most, AHEAD_US, TOLERANCE_US
        )
        match reply:
            case [b"opened", packed]:
                number, starts_in_us, interval_us, provider = _HEAD.unpack_from(packed)
                messages = list(_OPENED.iter_unpack(packed[_HEAD.size :]))
                return Block(number, starts_in_us / 1e6, interval_us / 1e6, messages, provider)
            case [b"wait", ms, why]:
                return Wait(ms / 1000, why.decode())
            case [b"drained"]:
                return Drained()
            case [b"closed", why]:
                return BatchClosed(why.decode())
            case _:
                raise LeaseLost(ref)

    async def record(
        self,
        lease: Lease,
        results: Sequence[Result],
        consequence: Consequence | None = None,
        *,
        provider: str,
        part_disagreements: int = 0,
    ) -> int:
        """Write outcomes of one provider (its nickname), return how many changed a message; raise ``LeaseLost``.

        What they mean beyond their own messages holds for the sender at this provider only.
        """
        ref = lease.ref
        consequence = consequence or Consequence()
        packed = b"".join(
            _OUTCOME.pack(
                result.index,
                result.block,
                result.verdict,
                min(result.code, 0xFFFF),
                int.from_bytes(transaction_bytes(result.transaction_id), "big") if result.verdict == b"a" else 0,
                min(result.parts, 255),
            )
            for result in sorted(results, key=_index)
        )
        reply = await self._record(
            ref.sender,
            ref.campaign,
            ref.number,
            lease.token,
            packed,
            consequence.back_off,
            consequence.at_least_s * 1000,
            consequence.jitter,
            consequence.brake,
            consequence.reason,
            part_disagreements,
            provider,
        )
        if reply[0] != b"recorded":
            raise LeaseLost(ref)
        return int(reply[1])

    async def release(self, lease: Lease) -> int:
        """Let the batch go, finished or not; return how many messages had to be put in doubt. Raise ``LeaseLost``."""
        ref = lease.ref
        reply = await self._release(ref.sender, ref.campaign, ref.number, lease.token)
        if reply[0] != b"released":
            raise LeaseLost(ref)
        return int(reply[1])


_index = attrgetter("index")


def new_operation() -> str:
    """Return an id for one opening of a block."""
    return secrets.token_hex(6)


def rings(sender: SenderId, reply: list[list[bytes | int]]) -> list[BatchReady]:
    """Read the batches that a script handed out."""
    return [
        BatchReady(BatchRef(sender, CampaignId(text(campaign)), int(number)), int(batches), text(name), bool(urgent))
        for campaign, number, batches, name, urgent in reply
    ]
