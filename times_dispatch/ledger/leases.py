"""What a worker does with the ledger: take a batch, open blocks of it, record what came of them, release the batch."""

import secrets
import struct
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from redis.asyncio import Redis

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.errors import BatchUnreadable, CampaignUnknown, Damage, LeaseLost
from times_dispatch.ledger.frequency_cap import NO_CHECK, FrequencyCheck
from times_dispatch.ledger.keys import OPTOUTS_CHANGES, REPLICATED, CampaignField, campaign_key, hash_tag
from times_dispatch.ledger.model import BatchRef, CampaignId, Plan, Recipients, SenderId
from times_dispatch.ledger.protocol import BrakeTarget, HoldPolicy, PushResult, Status, WaitReason
from times_dispatch.ledger.records import transaction_bytes, unpack_recipients
from times_dispatch.ledger.scripts import Reply, Script, read_reply, text

AHEAD_US = 40_000
"""How far ahead of Redis' clock slots are given out: with the tolerance, 5 % of a second (docs/concepts.md)."""
AHEAD_S = AHEAD_US / 1e6
"""The same in seconds."""
TOLERANCE_US = 10_000
"""How long after a slot a worker may ask for it and still get it."""
WINDOW_S = 2.0
"""The batches of a sender that are out for work hold the messages of this many seconds at the sender's rate."""
REPLICAS_WAIT_S = 1.0
"""How long a worker waits after a block that too few replicas have."""

UNKNOWN_BLOCK = -1
"""In place of a block's number: the caller does not know which block was its last."""

_HEAD = struct.Struct(">HddBIH")
_OPENED = struct.Struct(">HB")
_OUTCOME = struct.Struct(">HHcHQB")
_MAX_CODE = 0xFFFF
_MAX_PARTS = 0xFF


class BatchReady(msgspec.Struct, frozen=True):
    """A batch that was handed out: a worker is to be woken for it."""

    ref: BatchRef
    batches: int
    """How many batches the campaign has."""
    name: str
    """The campaign's name, for people."""
    urgent: bool


class Lease(msgspec.Struct, frozen=True):
    """The right to work on a batch, until it runs out."""

    ref: BatchRef
    token: int
    """The fencing token."""
    recipients: Recipients


class Block(NamedTuple):
    """Messages that are now ``sending``, in the hands of the worker that opened the block."""

    number: int
    starts_in_s: float
    """When the first message may go, from now; below 0 if that moment has passed."""
    interval_s: float
    """The time that one unit of cost takes at the sender's rate; 0 if there is no limit."""
    messages: list[tuple[int, int]]
    """Index within the batch, and attempt."""
    chain_index: int = 0
    """Which provider of the campaign's chain (``Plan.chain``) the messages go through."""
    next_index: int = 0
    """Index within the batch from which the next block is searched."""
    suppressed: int = 0
    """Messages before ``next_index`` that the ledger suppressed."""
    optout_changes: int = 0
    """How many times the opt-out list had been changed when the block was opened."""


class Outside(NamedTuple):
    """The first pending message is not in the stretch of the ``FrequencyCheck``; nothing was opened."""

    first_pending: int
    """Index of that message within the batch."""


class Wait(NamedTuple):
    """Nothing of the batch may go for some seconds."""

    seconds: float
    reason: str
    """A ``WaitReason``, or a worker's own reason."""


class Drained(NamedTuple):
    """Nothing of the batch is pending."""


class BatchClosed(NamedTuple):
    """The worker is to release the batch.

    The campaign or its sender does not run, or all its providers are braked, or back off while others could go.
    """

    reason: str
    """A ``CloseReason``, the state of the campaign, or a worker's own reason."""


Opened = Block | Outside | Wait | Drained | BatchClosed


class Result(msgspec.Struct, frozen=True, gc=False):
    """What became of one message of a block."""

    index: int
    """Within the batch."""
    block: int
    verdict: bytes
    """A ``PushResult``."""
    code: int = 0
    transaction_id: str = ""
    parts: int = 0


class Consequence(NamedTuple):
    """What results mean beyond their own messages."""

    back_off: HoldPolicy = HoldPolicy.NEVER
    at_least_s: float = 0.0
    """How long the provider asked to be left alone."""
    jitter: float = 1.0
    """Between 0.5 and 1; spreads the moments at which workers come back."""
    brake: BrakeTarget = BrakeTarget.NOTHING
    reason: str = ""
    """Why, for people."""


class FailurePolicy(NamedTuple):
    """What follows from errors of our own code: a batch is tried again a few times, then its campaign is braked."""

    pauses_s: tuple[float, ...] = (1.0, 5.0, 30.0)
    """For so long no worker is woken for the batch after the first failure, the second, the third and all after it."""
    max_failures: int = 5
    """After so many failures of one batch, on two workers at least, its campaign is braked."""
    max_failures_alone: int = 8
    """After so many failures of one batch its campaign is braked, also if there is one worker only."""


class BatchLeases:
    """The worker's side of the ledger. Every call may be repeated, also by the Redis client itself.

    Args:
        redis: The ledger.
        lease_s: How long a lease lasts without renewal, in seconds.
        unlimited_window: How many batches are out for a sender without a rate.
        on_damage: Called for each campaign that cannot be handed out as it stands in the ledger.
        clock: The host's clock, with which Redis' clock is compared.
        wait_for_replicas: How many replicas must have a block before it counts as opened; 0 is not to wait.
        replicas_within_s: How long the replicas are waited for, in seconds.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        lease_s: float = 15.0,
        unlimited_window: int = 16,
        on_damage: Callable[[Damage], None] = lambda _: None,
        clock: Clock = SYSTEM_CLOCK,
        wait_for_replicas: int = 0,
        replicas_within_s: float = 0.2,
    ) -> None:
        self._redis = redis
        self._clock = clock
        self._wait_for_replicas = wait_for_replicas
        self._replicas_within_ms = int(replicas_within_s * 1000)
        self._unreplicated = dict[str, Block]()
        """Blocks, by their operations, that too few replicas have, until they are given back."""
        self._on_damage = on_damage
        self._lease_ms = int(lease_s * 1000)
        self._unlimited_window = unlimited_window
        self._issue = Script(redis, "issue")
        self._take = Script(redis, "take")
        self._renew = Script(redis, "renew")
        self._open = Script(redis, "open_block")
        self._confirm = Script(redis, "confirm_block")
        self._record = Script(redis, "record")
        self._release = Script(redis, "release")
        self._note_failure = Script(redis, "note_failure")

    async def issue(self, sender: SenderId) -> list[BatchReady]:
        """Hand out batches until the sender's window is full; the caller wakes a worker for each."""
        reply = await self._issue(
            sender,
            window_s=WINDOW_S,
            unlimited_batches=self._unlimited_window,
            lease_ms=self._lease_ms,
            host_ms=int(self._clock.time() * 1000),
        )
        for damaged in map(read_reply, reply["damaged"]):
            campaign, error = CampaignId(text(damaged["campaign"])), text(damaged["error"])
            self._on_damage(Damage(sender, campaign, "", "handed out", error))
        return batches_ready(sender, reply)

    async def plan(self, sender: SenderId, campaign: CampaignId) -> Plan:
        """Return the campaign's plan; raise ``CampaignUnknown``."""
        stored = await self._redis.hget(campaign_key(sender, campaign), CampaignField.PLAN)
        if stored is None:
            raise CampaignUnknown(campaign)
        return msgspec.json.decode(stored, type=Plan)

    async def take(self, ref: BatchRef) -> Lease | None:
        """Take the lease of a batch; None if another worker holds the batch or nothing of it has to be done.

        Raises ``BatchUnreadable``.
        """
        reply = await self._take(
            ref.sender, campaign=ref.campaign, number=ref.number, lease_ms=self._lease_ms, taker=new_operation()
        )
        if text(reply["status"]) != Status.TAKEN:
            return None
        try:
            return Lease(ref, reply["token"], unpack_recipients(reply["recipients"]))
        except ValueError as error:
            raise BatchUnreadable(ref, reply["token"], error) from error

    async def renew(self, sender: SenderId, leases: Sequence[Lease]) -> list[bool]:
        """Renew leases of one sender; say for each whether it is still held."""
        batches = [
            {"campaign": lease.ref.campaign, "number": lease.ref.number, "token": lease.token} for lease in leases
        ]
        reply = await self._renew(sender, lease_ms=self._lease_ms, batches=batches)
        return [held == ord("1") for held in reply["held"]]

    async def open_block(
        self,
        lease: Lease,
        *,
        max_messages: int,
        operation: str,
        ahead_s: float = AHEAD_S,
        check: FrequencyCheck = NO_CHECK,
        last_block: int = UNKNOWN_BLOCK,
    ) -> Opened:
        """Mark pending messages as ``sending`` and return them, in one round trip.

        A block that too few replicas have in time is given back, and the answer is a ``Wait``.

        Args:
            lease: The batch.
            max_messages: How many messages at most.
            operation: An id of this opening. The same operation gets the same block again, so the call can be repeated
                until its answer arrives.
            ahead_s: How far ahead of the ledger's clock slots are given out: as long as a round trip lasts.
            check: A stretch of the batch; the ledger suppresses the messages of it that may not go to their numbers.
            last_block: Number of the last block that the worker got under this lease, 0 if it got none. If the ledger
                has lost that block it opens no other, so that no number comes again (``CloseReason.BLOCKS_LOST``).

        Raises:
            LeaseLost: Another worker holds the batch.
        """
        if operation in self._unreplicated:  # an earlier call could not give the block back
            return await self._give_back_unreplicated(lease, operation)
        ref, limit = lease.ref, check.limit
        reply, optout_changes, is_replicated = await self._open_replicated(
            ref.sender,
            campaign=ref.campaign,
            number=ref.number,
            token=lease.token,
            operation=operation,
            last_block=last_block,
            max_messages=max_messages,
            ahead_us=int(ahead_s * 1e6),
            tolerance_us=TOLERANCE_US,
            digest=check.digest,
            repeat_after_s=limit.repeat_after_s,
            max_to_number=limit.max_messages,
            period_s=limit.period_s,
            fingerprints=check.fingerprints,
            first_index=check.first_index,
            numbers=check.numbers,
        )
        if not is_replicated and text(reply["status"]) == Status.OPENED:
            self._unreplicated[operation] = _block(reply["block"], 0)
            return await self._give_back_unreplicated(lease, operation)
        return _opened(ref, reply, int(optout_changes or 0))

    async def confirm_block(self, lease: Lease, block: Block, *, provider: str) -> bool:
        """Say whether the messages of an open block may still be pushed; raise ``LeaseLost``.

        Args:
            lease: The batch.
            block: The last block of it that was opened.
            provider: Nickname of the provider that the block is for.
        """
        ref = lease.ref
        reply = await self._confirm(
            ref.sender,
            campaign=ref.campaign,
            number=ref.number,
            token=lease.token,
            block=block.number,
            provider=provider,
        )
        if text(reply["status"]) == Status.LOST:
            raise LeaseLost(ref)
        return text(reply["status"]) == Status.CONFIRMED

    async def _open_replicated(self, sender: SenderId, **arguments: Any) -> tuple[Reply, bytes | None, bool]:
        """Run the script that opens a block.

        Also return how many times the opt-out list was changed, and whether enough replicas have what the script wrote.
        """
        replicas = self._wait_for_replicas
        if not replicas:
            return (*await self._open.with_get(sender, OPTOUTS_CHANGES, **arguments), True)
        reply, optout_changes, acknowledged = await self._open.replicated(
            sender,
            OPTOUTS_CHANGES,
            mark_key=f"{hash_tag(sender)}:{REPLICATED}",
            replicas=replicas,
            timeout_ms=self._replicas_within_ms,
            **arguments,
        )
        return reply, optout_changes, acknowledged >= replicas

    async def _give_back_unreplicated(self, lease: Lease, operation: str) -> Wait:
        """Make the messages of a block pending again: after a failover nobody could know that they were opened."""
        block = self._unreplicated[operation]
        results = [Result(index, block.number, PushResult.NEVER_BEGUN) for index, _ in block.messages]
        try:
            await self.record(lease, results, provider="")
        except LeaseLost:
            del self._unreplicated[operation]
            raise
        del self._unreplicated[operation]
        return Wait(REPLICAS_WAIT_S, "replicas")

    async def record(
        self,
        lease: Lease,
        results: Iterable[Result],
        consequence: Consequence | None = None,
        *,
        provider: str,
        part_disagreements: int = 0,
    ) -> int:
        """Write what became of messages, and return how many changed their state.

        Args:
            lease: The batch.
            results: One for each message.
            consequence: What the results mean for the campaign, and for the sender at this provider.
            provider: Nickname of the provider that all these messages went through.
            part_disagreements: For how many of them the provider counted other parts than we did.

        Raises:
            LeaseLost: Another worker holds the batch; nothing was written.
        """
        ref = lease.ref
        consequence = consequence or Consequence()
        reply = await self._record(
            ref.sender,
            campaign=ref.campaign,
            number=ref.number,
            token=lease.token,
            outcomes=b"".join(map(_packed, sorted(results, key=_index))),
            hold=consequence.back_off,
            hold_at_least_ms=consequence.at_least_s * 1000,
            jitter=consequence.jitter,
            brake=consequence.brake,
            reason=consequence.reason,
            part_disagreements=part_disagreements,
            provider=provider,
        )
        if text(reply["status"]) != Status.RECORDED:
            raise LeaseLost(ref)
        return int(reply["changed"])

    async def release(self, lease: Lease) -> int:
        """Release the batch, finished or not; return how many messages had to be put in doubt. Raise ``LeaseLost``."""
        ref = lease.ref
        reply = await self._release(ref.sender, campaign=ref.campaign, number=ref.number, token=lease.token)
        if text(reply["status"]) != Status.RELEASED:
            raise LeaseLost(ref)
        return int(reply["in_doubt"])

    async def note_failure(
        self, ref: BatchRef, token: int | None, *, worker: str, kind: str, reason: str, policy: FailurePolicy
    ) -> bool:
        """Hand back a batch after an error of our own code; return whether its campaign is braked for that.

        Args:
            ref: The batch.
            token: The fencing token of the lease; None if the batch was not taken.
            worker: The name of this worker.
            kind: The kind of error, without its text.
            reason: Why the campaign is braked, if it is; for people.
            policy: How many failures brake the campaign, and how long the batch waits after each.

        Raises:
            LeaseLost: Another worker holds the batch; nothing was written.
        """
        reply = await self._note_failure(
            ref.sender,
            campaign=ref.campaign,
            number=ref.number,
            token=token or "",
            worker="".join(worker.split()),
            kind="".join(kind.split()),
            reason=reason,
            max_failures=policy.max_failures,
            max_alone=policy.max_failures_alone,
            pauses_ms=[int(pause_s * 1000) for pause_s in policy.pauses_s],
        )
        if text(reply["status"]) != Status.NOTED:
            raise LeaseLost(ref)
        return bool(reply["braked"])


_index = attrgetter("index")


def _packed(result: Result) -> bytes:
    is_accepted = result.verdict == PushResult.ACCEPTED
    return _OUTCOME.pack(
        result.index,
        result.block,
        result.verdict,
        min(result.code, _MAX_CODE),
        int.from_bytes(transaction_bytes(result.transaction_id), "big") if is_accepted else 0,
        min(result.parts, _MAX_PARTS),
    )


def _opened(ref: BatchRef, reply: Reply, optout_changes: int) -> Opened:
    match text(reply["status"]):
        case Status.OPENED:
            return _block(reply["block"], optout_changes)
        case Status.OUTSIDE:
            return Outside(reply["first_pending"])
        case Status.WAIT:
            return Wait(reply["ms"] / 1000, WaitReason(text(reply["reason"])))
        case Status.DRAINED:
            return Drained()
        case Status.CLOSED:
            return BatchClosed(text(reply["reason"]))
        case _:
            raise LeaseLost(ref)


def _block(packed: bytes, optout_changes: int) -> Block:
    number, starts_in_us, interval_us, chain_index, next_index, suppressed = _HEAD.unpack_from(packed)
    messages = list(_OPENED.iter_unpack(packed[_HEAD.size :]))
    return Block(
        number, starts_in_us / 1e6, interval_us / 1e6, messages, chain_index, next_index, suppressed, optout_changes
    )


def new_operation() -> str:
    """Return an id for one opening of a block."""
    return secrets.token_hex(6)


def batches_ready(sender: SenderId, reply: Reply) -> list[BatchReady]:
    """Read the batches that a script handed out."""
    return [_batch_ready(sender, read_reply(batch)) for batch in reply["ready"]]


def _batch_ready(sender: SenderId, batch: dict[str, Any]) -> BatchReady:
    ref = BatchRef(sender, CampaignId(text(batch["campaign"])), int(batch["number"]))
    return BatchReady(ref, int(batch["batches"]), text(batch["name"]), bool(batch["urgent"]))
