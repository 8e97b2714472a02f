"""Stores the messages of a resend, batch by batch, in the lanes of the sender.

The messages come from the parent's batches, in their order. Batches that an earlier command has stored are not changed;
each lane goes on after its last stored message.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import NamedTuple

from redis.asyncio import Redis

from producers.errors import CommandFailed
from producers.line_set import LineSet
from producers.memory_check import MemoryCheck
from producers.resend.chosen import ChosenMessages
from times_dispatch.ledger.batch_columns import read_batches
from times_dispatch.ledger.lanes.rows import picked
from times_dispatch.ledger.lanes.split import LaneBatch, LaneSplit, lane_of_number
from times_dispatch.ledger.model import CampaignId, CampaignView, Recipients
from times_dispatch.ledger.numbers.opt_outs import OptOuts
from times_dispatch.ledger.queries import LaneQueries
from times_dispatch.ledger.states import CampaignState
from times_dispatch.ledger.submission import Begun, Submissions

Progress = Callable[[int], None]
"""A function that is called with the number of stored batches."""


class StoredLane(NamedTuple):
    """The stored part of one lane of a resend; a sender without lanes has one lane."""

    messages: int
    batches: int
    last_line: int
    """The line of the last message; 0 if there is none."""
    is_whole: bool
    """Whether the last batch is stored, the only batch that may be short."""


class ResendStore:
    """Stores the chosen messages of one campaign as the messages of its resend."""

    def __init__(
        self,
        redis: Redis,
        parent: CampaignView,
        chosen: ChosenMessages,
        excluded: LineSet,
        *,
        memory_check: MemoryCheck,
        progress: Progress | None = None,
    ) -> None:
        """Make a store.

        Args:
            redis: the ledger.
            parent: the campaign whose messages are read.
            chosen: chooses messages of the parent's batches.
            excluded: the lines of messages that are left out.
            memory_check: refuses the resend if it does not fit into Redis.
            progress: called after each batch.
        """
        self._redis = redis
        self._parent = parent
        self._chosen_messages = chosen
        self._excluded = excluded
        self._memory_check = memory_check
        self._progress = progress
        self._submissions = Submissions(redis)

    async def store(self, begun_lanes: Mapping[CampaignId, Begun]) -> dict[CampaignId, StoredLane]:
        """Store the batches that are not stored yet; return what is then stored of each lane.

        Args:
            begun_lanes: the campaign of each lane, with the batches that an earlier command has stored; the campaign
                that people see comes first.

        Raises:
            CommandFailed: no message is left, two commands wrote at once, or the resend does not fit into Redis.
        """
        stored = await self._stored(begun_lanes)
        # A sealed lane shows that an earlier command has stored everything, and broke off between two seals.
        if all(begun.state is CampaignState.SUBMITTING for begun in begun_lanes.values()):
            await self._store_rest(begun_lanes, list(stored.values()))
            stored = await self._stored(begun_lanes)
        if not any(lane.messages for lane in stored.values()):
            campaign = next(iter(begun_lanes))
            raise CommandFailed(
                f"campaign {campaign}: no message is left to resend; cancel it: dispatch cancel {campaign}"
            )
        return stored

    async def _store_rest(self, begun_lanes: Mapping[CampaignId, Begun], lanes: Sequence[StoredLane]) -> None:
        campaigns = list(begun_lanes.items())
        first, begun = campaigns[0]
        number = sum(lane.batches for lane in lanes)
        split = LaneSplit(begun.batch_size, [lane.batches for lane in lanes])
        async for chosen, fraction in self._chosen(lanes):
            for full in split.full_batches(chosen):
                number += 1
                await self._add(*campaigns[full.lane], full, number=number)
                await self._memory_check.while_stored(
                    first, begun.plan.sender, stored=number, batch_size=begun.batch_size, fraction=fraction
                )
        for last in split.last_batches():
            number += 1
            await self._add(*campaigns[last.lane], last, number=number)

    async def _chosen(self, lanes: Sequence[StoredLane]) -> AsyncIterator[tuple[Recipients, float]]:
        """Yield the chosen messages of each batch that are not stored, and the share of the parent that was read.

        Messages up to the last stored message of their lane are left out, and all messages of a finished lane.
        """
        not_passed = {number: lane.last_line for number, lane in enumerate(lanes) if lane.last_line}
        async for batch in read_batches(self._redis, self._parent):
            rows, begins = batch.recipients, dict[int, int]()
            for lane, line in list(not_passed.items()):
                begins[lane] = len(rows.lines)
                if line in rows.lines and not lanes[lane].is_whole:
                    begins[lane] = rows.lines.index(line) + 1
                    del not_passed[lane]
            positions = [
                position
                for position in self._chosen_messages.positions(batch)
                if position >= begins.get(lane_of_number(rows.to[position], len(lanes)), 0)
                and rows.lines[position] not in self._excluded
            ]
            if positions:
                yield picked(rows, positions), (rows.first + len(rows.to)) / max(1, self._parent.total)

    async def _add(self, campaign: CampaignId, begun: Begun, batch: LaneBatch, *, number: int) -> None:
        opt_outs, rows = OptOuts(self._redis), batch.recipients
        on_list = [] if await opt_outs.is_empty() else await opt_outs.contains(rows.to)
        opted_out = [index for index, is_on_list in enumerate(on_list) if is_on_list]
        await self._submissions.add_batch(campaign, begun.plan.sender, batch.number, rows, opted_out=opted_out)
        if self._progress:
            self._progress(number)

    async def _stored(self, begun_lanes: Mapping[CampaignId, Begun]) -> dict[CampaignId, StoredLane]:
        """Return what is stored of each lane; raise CommandFailed if a line is stored twice."""
        lines, stored, queries = LineSet(), dict[CampaignId, StoredLane](), LaneQueries(self._redis)
        for campaign, begun in begun_lanes.items():
            messages = batches = last_line = 0
            async for batch in read_batches(self._redis, await queries.campaign(campaign)):
                for line in batch.recipients.lines:
                    if not lines.add(line):
                        raise _two_commands(next(iter(begun_lanes)))
                messages, batches = messages + len(batch.recipients.to), batches + 1
                last_line = batch.recipients.lines[-1]
            stored[campaign] = StoredLane(messages, batches, last_line, messages < batches * begun.batch_size)
        return stored


def _two_commands(campaign: CampaignId) -> CommandFailed:
    return CommandFailed(
        f"campaign {campaign}: two commands wrote this resend at once, and none of its messages is sent; "
        f"cancel it (dispatch cancel {campaign}) and resend again"
    )
