"""Forgets a phone number: no message goes to it any more, and its data leaves Redis (docs/retention.md)."""

from typing import Final, Protocol

import msgspec
from redis.asyncio import Redis

from times_dispatch.archive.erasure.sealing import SealedRow, Sealing, sealed_message
from times_dispatch.archive.errors import ForgettingUnfinished
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.keys import OPT_OUTS
from times_dispatch.ledger.numbers.dead_numbers import DeadNumberRule
from times_dispatch.ledger.numbers.forgetting import NumberForgetting
from times_dispatch.ledger.numbers.forgotten_numbers import FORGOTTEN, ForgottenNumbers
from times_dispatch.ledger.numbers.opt_outs import OptOuts
from times_dispatch.ledger.redis_clock import RedisClock
from times_dispatch.ledger.reports.posted_bodies import PostedBodies
from times_dispatch.ledger.trail import Trail, TrailAction, packed_entry
from times_dispatch.plurals import counted

_POLL_S: Final = 0.5
_SUBMITTING_S: Final = 3.0
"""A submit stores a batch within this time, in seconds, after it checked the batch for forgotten numbers."""


class FindDeadLetters(Protocol):
    """Finds the dead letters that hold a number, and can delete these dead letters."""

    async def __call__(self, number: str, *, deletes: bool) -> list[bytes]:
        """Return the bodies of the dead letters that hold a number; *deletes*: delete the dead letters."""
        ...


class ForgetResult(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of data about the number that were deleted or hidden."""

    digest: str
    """The keyed digest of the number, which the ledger and the trail keep."""
    messages: int
    campaigns: int
    others: int
    """The messages to other numbers whose values held the number, and whose values were deleted."""
    entries: int
    """Entries of dead numbers, frequency caps, test messages and samples."""
    dead_letters: int
    bodies: int
    """Posted bodies that waited to be applied or relayed, and in which the number is hidden now."""
    sealed: int
    """Rows that are sealed until the law allows their erasure."""
    damaged: list[str]
    """Campaigns that cannot be read, and may still hold the number."""


class Forgetter:
    """Forgets numbers of one ledger."""

    def __init__(
        self,
        redis: Redis,
        forgotten: ForgottenNumbers,
        sealing: Sealing | None,
        *,
        dead_letters: FindDeadLetters,
        dead_numbers: DeadNumberRule,
        keep_s: int,
        actor: str,
        wait_s: float,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Make a forgetter.

        Args:
            redis: the ledger.
            forgotten: the list of forgotten numbers, which gets the digest of the number.
            sealing: keeps the records that the law prescribes; None: keeps nothing.
            dead_letters: finds and deletes the dead letters that hold a number.
            dead_numbers: the rule for dead numbers.
            keep_s: how long the record is sealed, in seconds from now.
            actor: the person or process that forgets, for the trail.
            wait_s: how long to wait for unfinished pushes and reports, in seconds.
            clock: the clock of the waits.
        """
        self._redis = redis
        self._forgotten = forgotten
        self._sealing = sealing
        self._dead_letters = dead_letters
        self._dead_numbers = dead_numbers
        self._keep_s = keep_s
        self._actor = actor
        self._wait_s = wait_s
        self._clock = clock

    async def forget(self, number: str) -> ForgetResult:
        """Forget a number, given as E.164 digits without the plus. A repeated call continues an unfinished call.

        Until the last step the number is on the opt-out list, so that a worker that holds it in memory sends nothing.

        Raises:
            ForgetKeyRefused: the key of forgotten numbers is missing or wrong.
            ArchiveError: the sealed record cannot be written; the number is suppressed, and nothing is deleted.
            ForgettingUnfinished: a push is unfinished, or the number stands in a message that is still to be sent.
        """
        opt_outs = OptOuts(self._redis)
        digest = await self._forgotten.add(number)
        await opt_outs.add([FORGOTTEN, number])
        if self._sealing:
            await self._sealing.note_forgotten(digest, self._forgotten.key_digest)
        entry = packed_entry(self._actor, TrailAction.FORGOTTEN, detail=digest)
        await Trail(self._redis).note(OPT_OUTS, entry)
        damaged = list[CampaignDamaged]()
        forgetting = NumberForgetting(self._redis, number)
        batches = [batch async for batch in forgetting.batches(damaged=damaged)]
        messages = [
            (view, message) for view, batch_number in batches for message in await forgetting.read(view, batch_number)
        ]
        rows = [sealed_message(view, message) for view, message in messages]
        dead_letters = await self._dead_letters(number, deletes=False)
        rows += [
            SealedRow(kind="dead letter", number=number, content=body.decode("utf-8", "replace"))
            for body in dead_letters
        ]
        bodies = PostedBodies(self._redis)
        rows += [
            SealedRow(kind="report", number=number, content=payload.decode("utf-8", "replace"))
            for payload in await bodies.with_number(number)
        ]
        if rows and self._sealing:
            now_ms = await RedisClock(self._redis).now_ms()
            await self._sealing.seal(rows, now_ms=now_ms, until_ms=now_ms + self._keep_s * 1000)
        # Dead letters are deleted after the sealing and again at the end, because a report may become one meanwhile.
        await self._dead_letters(number, deletes=True)
        others = await self._forget_batches(forgetting, damaged)
        hidden = await self._hide_in_bodies(bodies, number)
        entries = await forgetting.forget_index_entries(self._dead_numbers)
        await self._dead_letters(number, deletes=True)
        await opt_outs.remove([number])
        return ForgetResult(
            digest=digest,
            messages=len(messages),
            campaigns=len({view.id for view, _ in messages}),
            others=others,
            entries=entries,
            dead_letters=len(dead_letters),
            bodies=hidden,
            sealed=len(rows) if self._sealing else 0,
            damaged=sorted({str(damage) for damage in damaged}),
        )

    async def _hide_in_bodies(self, bodies: PostedBodies, number: str) -> int:
        """Hide the number in waiting bodies until no reconciler holds such a body; return the number of changed bodies.

        Reconcilers hide the number in bodies that they read from now on. The later steps of the forgetter find the data
        from bodies that reconcilers read before.
        """
        changed, deadline = 0, self._clock.monotonic() + self._wait_s
        while True:
            replaced, held = await bodies.hide(number)
            changed += replaced
            if not held:
                return changed + (await bodies.hide(number)).replaced  # bodies relayed meanwhile
            if self._clock.monotonic() >= deadline:
                raise ForgettingUnfinished(
                    "a reconciler holds a report with the number; run the command again in a minute, while "
                    "reconcilers run"
                )
            await self._clock.sleep(_POLL_S)

    async def _forget_batches(self, forgetting: NumberForgetting, damaged: list[CampaignDamaged]) -> int:
        """Remove the number from all batches; return the number of messages to other numbers that lost their values."""
        others, deadline = 0, self._clock.monotonic() + self._wait_s
        must_look_again = await forgetting.is_any_submitting()
        while True:
            open_pushes = kept = 0
            async for view, batch_number in forgetting.batches(damaged=damaged):
                forgotten = await forgetting.forget_batch(view, batch_number)
                others, open_pushes = others + forgotten.others, open_pushes + forgotten.sending
                kept += forgotten.kept
            if must_look_again:
                must_look_again = False
                await self._clock.sleep(_SUBMITTING_S)
                continue
            if not open_pushes:
                if kept:
                    raise ForgettingUnfinished(
                        f"the number stands in values of {counted(kept, 'message')} to other numbers that may still be "
                        "sent; run the same command again after that"
                    )
                return others
            if self._clock.monotonic() >= deadline:
                raise ForgettingUnfinished("a message to the number is being sent; run the command again in a minute")
            await self._clock.sleep(_POLL_S)
