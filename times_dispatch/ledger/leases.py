"""The worker's side of the ledger: take a batch, open blocks of it, record the results, release the batch."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.errors import BatchUnreadable, CampaignNewer, CampaignUnknown, Damage, LeaseLost
from times_dispatch.ledger.frequency_cap import NO_CHECK, FrequencyCheck
from times_dispatch.ledger.keys import OPT_OUTS_CHANGES, REPLICATED, CampaignField, campaign_key, hash_tag
from times_dispatch.ledger.model import BatchRef, CampaignId, Plan, Recipients, SenderId
from times_dispatch.ledger.openings import (
    AHEAD_S,
    TOLERANCE_US,
    UNKNOWN_BLOCK,
    Block,
    Opened,
    Wait,
    new_operation,
    read_block,
    read_opened,
)
from times_dispatch.ledger.protocol import PushResult, Status, WaitReason
from times_dispatch.ledger.push_results import Consequence, FailurePolicy, Result, pack_results
from times_dispatch.ledger.ready_batches import BatchReady, ready_batches
from times_dispatch.ledger.records import unpack_recipients
from times_dispatch.ledger.schema import MAJOR, MINOR
from times_dispatch.ledger.scripts import Reply, Script, read_reply, text

REPLICAS_WAIT_S = 1.0
"""How many seconds a worker waits after a block that too few replicas have."""


class Lease(msgspec.Struct, frozen=True):
    """The right of one worker to work on a batch, for a limited time."""

    ref: BatchRef
    token: int
    """The fencing token."""
    recipients: Recipients


class BatchLeases:
    """Leases of batches, and the work on them. Every call may be repeated, also by the Redis client itself.

    Args:
        redis: The ledger.
        lease_s: How long a lease lasts without renewal, in seconds.
        unlimited_batches: How many batches are out for a sender without a rate.
        on_damage: Called for each campaign whose batches cannot be issued because its data is damaged.
        clock: The host's clock, with which Redis' clock is compared.
        wait_for_replicas: How many replicas must have a block before it counts as opened; with 0 a call does not wait.
        replicas_within_s: How long a call waits for the replicas, in seconds.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        lease_s: float = 15.0,
        unlimited_batches: int = 16,
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
        """Blocks that too few replicas have, by their operations, until the blocks' messages are pending again."""
        self._on_damage = on_damage
        self._lease_ms = int(lease_s * 1000)
        self._unlimited_batches = unlimited_batches
        self._issue = Script(redis, "issue")
        self._take = Script(redis, "take")
        self._renew = Script(redis, "renew")
        self._open = Script(redis, "open_block")
        self._confirm = Script(redis, "confirm_block")
        self._record = Script(redis, "record")
        self._release = Script(redis, "release")
        self._note_failure = Script(redis, "note_failure")

    async def issue(self, sender: SenderId) -> list[BatchReady]:
        """Issue batches until enough batches of the sender are out; the caller wakes a worker for each."""
        reply = await self._issue(
            sender,
            unlimited_batches=self._unlimited_batches,
            lease_ms=self._lease_ms,
            host_ms=int(self._clock.time() * 1000),
        )
        for damaged in map(read_reply, reply["damaged"]):
            campaign, error = CampaignId(text(damaged["campaign"])), text(damaged["error"])
            self._on_damage(Damage(sender, campaign, "", "issued", error))
        return ready_batches(sender, reply)

    async def plan(self, sender: SenderId, campaign: CampaignId) -> Plan:
        """Return the campaign's plan; raise ``CampaignUnknown`` or ``CampaignNewer``."""
        key, fields = campaign_key(sender, campaign), [CampaignField.PLAN, CampaignField.SCHEMA]
        stored, schema = await self._redis.hmget(key, fields)
        if stored is None:
            raise CampaignUnknown(campaign)
        if schema is not None and int(schema) > MINOR:
            raise CampaignNewer(campaign, f"{MAJOR}.{text(schema)}")
        return msgspec.json.decode(stored, type=Plan)

    async def take(self, ref: BatchRef) -> Lease | None:
        """Take the lease of a batch; return None if another worker holds the batch, or the batch is not out.

        Raises:
            BatchUnreadable: The recipients of the batch are damaged; the caller holds the batch.
        """
        reply = await self._take(
            ref.sender,
            campaign=ref.campaign,
            batch_number=ref.number,
            lease_ms=self._lease_ms,
            operation=new_operation(),
        )
        if text(reply["status"]) != Status.TAKEN:
            return None
        try:
            return Lease(ref, reply["token"], unpack_recipients(reply["recipients"]))
        except ValueError as error:
            raise BatchUnreadable(ref, reply["token"], error) from error

    async def renew(self, sender: SenderId, leases: Sequence[Lease]) -> list[bool]:
        """Renew leases of one sender; say for each lease whether this worker still holds it."""
        batches = [
            {"campaign": lease.ref.campaign, "batch_number": lease.ref.number, "token": lease.token} for lease in leases
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
        delay_s: float = 0.0,
        check: FrequencyCheck = NO_CHECK,
        last_block: int = UNKNOWN_BLOCK,
        lost: Sequence[str] = (),
        tried: str = "",
    ) -> Opened:
        """Mark pending messages as ``sending`` and return them, in one round trip.

        If too few replicas have the block in time, its messages become pending again, and the call returns a ``Wait``.

        Args:
            lease: The lease of the batch.
            max_messages: How many messages the block may have.
            operation: The id of this opening. The same operation gets the same block again, so the call can be repeated
                until its reply arrives.
            ahead_s: How far ahead of the ledger's clock send times are given out, in seconds: as long as a round trip
                lasts.
            delay_s: How much later than their send times this worker can push messages, in seconds: the time until a
                reply arrives. The block says how much later all workers push messages.
            check: A stretch of the batch; the ledger suppresses those of its messages that a frequency cap forbids.
            last_block: Number of the last block that the worker got under this lease, 0 if it got none. If the ledger
                has lost this block, it opens no other block, so that no block number is used twice
                (``CloseReason.BLOCKS_LOST``).
            lost: Nicknames of providers that this worker cannot reach. Other providers of the chain are used, unless a
                lost provider answered other workers in the last seconds (``CloseReason.OUT_OF_REACH``).
            tried: Nickname of a provider that this worker may reach again: a block for this provider has one message.

        Raises:
            LeaseLost: Another worker holds the batch.
        """
        if operation in self._unreplicated:  # an earlier call could not return the messages
            return await self._return_unreplicated(lease, operation)
        ref, limit = lease.ref, check.limit
        reply, opt_out_changes, is_replicated = await self._open_replicated(
            ref.sender,
            campaign=ref.campaign,
            batch_number=ref.number,
            token=lease.token,
            operation=operation,
            last_block=last_block,
            max_messages=max_messages,
            ahead_us=int(ahead_s * 1e6),
            delay_us=int(delay_s * 1e6),
            tolerance_us=TOLERANCE_US,
            digest=check.digest,
            repeat_after_s=limit.repeat_after_s,
            max_per_phone=limit.max_messages,
            period_s=limit.period_s,
            fingerprints=check.fingerprints,
            first_index=check.first_index,
            phones=check.phones,
            lost=" ".join(lost),
            tried=tried,
        )
        if not is_replicated and text(reply["status"]) == Status.OPENED:
            self._unreplicated[operation] = read_block(reply["block"], 0)
            return await self._return_unreplicated(lease, operation)
        return read_opened(ref, reply, int(opt_out_changes or 0))

    async def confirm_block(
        self, lease: Lease, block: Block, *, provider: str, units: int = 0, delay_s: float = 0.0
    ) -> Block | None:
        """Return the block if its messages may still be pushed, with new send times if the block needs them; else None.

        Args:
            lease: The lease of the batch.
            block: The last block of the batch that was opened.
            provider: Nickname of the provider through which the block is pushed.
            units: The cost of all messages of the block that need new send times; 0: the block keeps its send times.
            delay_s: As for ``open_block``.

        Raises:
            LeaseLost: Another worker holds the batch, or a later block was opened.
        """
        ref = lease.ref
        reply = await self._confirm(
            ref.sender,
            campaign=ref.campaign,
            batch_number=ref.number,
            token=lease.token,
            block=block.number,
            provider=provider,
            delay_us=int(delay_s * 1e6),
            units=units,
        )
        if text(reply["status"]) == Status.LOST:
            raise LeaseLost(ref)
        if text(reply["status"]) != Status.CONFIRMED:
            return None
        if not units:
            return block
        return block._replace(
            starts_in_s=reply["starts_in_us"] / 1e6, ledger_s=reply["now_us"] / 1e6, delay_s=reply["delay_us"] / 1e6
        )

    async def _open_replicated(self, sender: SenderId, **arguments: Any) -> tuple[Reply, bytes | None, bool]:
        """Run the script that opens a block.

        Return the script's reply, how many times the opt-out list was changed, and whether enough replicas have the
        block.
        """
        replicas = self._wait_for_replicas
        if not replicas:
            return (*await self._open.with_get(sender, OPT_OUTS_CHANGES, **arguments), True)
        reply, opt_out_changes, acknowledged = await self._open.replicated(
            sender,
            OPT_OUTS_CHANGES,
            mark_key=f"{hash_tag(sender)}:{REPLICATED}",
            replicas=replicas,
            timeout_ms=self._replicas_within_ms,
            **arguments,
        )
        return reply, opt_out_changes, acknowledged >= replicas

    async def _return_unreplicated(self, lease: Lease, operation: str) -> Wait:
        """Make the messages of a block pending again, because after a failover the ledger could have lost the block."""
        block = self._unreplicated[operation]
        results = [Result(index, block.number, PushResult.NEVER_BEGUN) for index, _ in block.messages]
        try:
            await self.record(lease, results, provider="")
        except LeaseLost:
            del self._unreplicated[operation]
            raise
        del self._unreplicated[operation]
        return Wait(REPLICAS_WAIT_S, WaitReason.REPLICAS)

    async def record(
        self,
        lease: Lease,
        results: Iterable[Result],
        consequence: Consequence | None = None,
        *,
        provider: str,
        part_disagreements: int = 0,
    ) -> int:
        """Write the results of pushes, and return how many messages changed their state.

        Args:
            lease: The lease of the batch.
            results: One result for each message.
            consequence: The consequence of the results for the campaign, and for the sender at this provider.
            provider: Nickname of the provider through which all these messages were pushed.
            part_disagreements: For how many messages the provider counted another number of parts than the ledger.

        Raises:
            LeaseLost: Another worker holds the batch; nothing was written.
        """
        ref = lease.ref
        consequence = consequence or Consequence()
        reply = await self._record(
            ref.sender,
            campaign=ref.campaign,
            batch_number=ref.number,
            token=lease.token,
            results=pack_results(results),
            back_off=consequence.back_off,
            back_off_min_ms=consequence.at_least_s * 1000,
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
        """Release the batch, finished or not; return how many messages became in doubt. Raise ``LeaseLost``."""
        ref = lease.ref
        reply = await self._release(ref.sender, campaign=ref.campaign, batch_number=ref.number, token=lease.token)
        if text(reply["status"]) != Status.RELEASED:
            raise LeaseLost(ref)
        return int(reply["in_doubt"])

    async def note_failure(
        self, ref: BatchRef, token: int | None, *, worker: str, kind: str, reason: str, policy: FailurePolicy
    ) -> bool:
        """Release a batch after an unexpected error; return whether the campaign is braked because of the error.

        Args:
            ref: The batch.
            token: The fencing token of the lease; None if the batch was not taken.
            worker: The name of this worker.
            kind: The class name of the error.
            reason: Why the campaign is braked, if it is braked; for people.
            policy: How many failures brake the campaign, and how long the batch waits after each.

        Raises:
            LeaseLost: Another worker holds the batch; nothing was written.
        """
        reply = await self._note_failure(
            ref.sender,
            campaign=ref.campaign,
            batch_number=ref.number,
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
        return bool(reply["is_braked"])
