"""Campaigns that stand still: the state of a campaign without progress is stored, for the report of the run.

A campaign that did not finish, or whose messages expired, stood still earlier. At the end of the run the campaign's
leases no longer exist, so the leases are read while the campaign stands still.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from redis.asyncio import Redis

from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.states import MessageState

STANDS_STILL_AFTER_S = 8.0
"""Seconds without progress after which a campaign with messages to send stands still. Limits and pauses are shorter."""
_LOOK_EVERY_S = 4.0
_MAX_LEASES = 6
_LOG_LINES = 4
"""The number of log lines of each process."""
_LOG_TAIL_BYTES = 4_000_000
_MAX_LINE = 300
_QUEUES = ("rotation", "rotation:own", "rotation:urgent", "waiting", "blocked")
_BATCHES_OUT = ("batches_out", "batches_out:own")


@dataclass(frozen=True)
class Standstill:
    """The state of a campaign that stands still."""

    at_s: float
    still_s: float
    view: CampaignView
    queues: list[str] = field(default_factory=list)
    """The queues in which the campaign waits, and the number of its batches that are issued."""
    leases: list[str] = field(default_factory=list)
    """The campaign's leases: batch, time to the end, and whether a worker has taken the batch."""

    def lines(self) -> Iterator[str]:
        at = f"{datetime.fromtimestamp(self.at_s, UTC):%H:%M:%S}"
        yield f"stood still at {at}, for {self.still_s:.0f} s: {describe(self.view)}"
        yield f"  waits in: {', '.join(self.queues) or 'no queue'}"
        yield from (f"  {lease}" for lease in self.leases or ["no leases"])


class StandstillWatch:
    """Notices campaigns without progress in the monitor's samples."""

    def __init__(self) -> None:
        self.found: dict[CampaignId, Standstill] = {}
        """The state of each campaign when it last stood still."""
        self._moved: dict[CampaignId, tuple[tuple[int, ...], float]] = {}
        self._looked: defaultdict[CampaignId, float] = defaultdict(float)

    async def look(self, redis: Redis, views: Sequence[CampaignView], now_s: float) -> None:
        """Take the views of live campaigns; read the queues and leases of campaigns that stand still."""
        for view in views:
            unsent = view.counts[MessageState.PENDING], view.counts[MessageState.SENDING]
            counts, since_s = self._moved.get(view.id, ((), now_s))
            if counts != unsent or not any(unsent):
                self._moved[view.id] = unsent, now_s
            elif now_s - since_s >= STANDS_STILL_AFTER_S and now_s - self._looked[view.id] >= _LOOK_EVERY_S:
                self._looked[view.id] = now_s
                self.found[view.id] = await _read(redis, view, now_s, now_s - since_s)


async def _read(redis: Redis, view: CampaignView, now_s: float, still_s: float) -> Standstill:
    sender_tag, key = hash_tag(view.plan.sender), campaign_key(view.plan.sender, view.id)
    async with redis.pipeline(transaction=False) as pipe:
        pipe.zrange(f"{sender_tag}:leases", 0, -1, withscores=True)
        for queue in _QUEUES:
            pipe.zscore(f"{sender_tag}:{queue}", view.id)
        for batches_out in _BATCHES_OUT:
            pipe.smembers(f"{sender_tag}:{batches_out}")
        pipe.llen(f"{key}:redo")
        pipe.time()
        leases, *scores, batches_out, own_batches_out, redo, (seconds, _) = await pipe.execute()
    queues = [queue for queue, score in zip(_QUEUES, scores, strict=True) if score is not None]
    for name, members in zip(_BATCHES_OUT, (batches_out, own_batches_out), strict=True):
        if count := sum(member.startswith(view.id.encode() + b":") for member in members):
            queues.append(f"{name} with {count} batches")
    if redo:
        queues.append(f"{redo} batches to be issued again")
    own = [(member.decode(), score) for member, score in leases if member.startswith(view.id.encode() + b":")]
    lines = []
    for member, ends_ms in own[:_MAX_LEASES]:
        number = member.partition(":")[2]
        token = await redis.hget(f"{key}:b:{number}", "token")
        left_s = ends_ms / 1000 - int(seconds)
        lines.append(
            f"lease of batch {number}: "
            + (f"ends in {left_s:.0f} s" if left_s >= 0 else f"over for {-left_s:.0f} s")
            + (", taken by a worker" if token else ", no worker has taken it")
        )
    if len(own) > _MAX_LEASES:
        lines.append(f"and {len(own) - _MAX_LEASES} leases more")
    return Standstill(now_s, still_s, view, queues, lines)


def describe(view: CampaignView) -> str:
    """Return a campaign's state, the reason of the state, and its counts per message state."""
    counts = ", ".join(f"{state.label} {count:,}" for state, count in view.counts.items() if count)
    reason = f" ({view.reason})" if view.reason else ""
    left_s = view.plan.valid_until_ms / 1000 - time.time()
    validity = f"valid for {left_s:.0f} s" if left_s > 0 else f"validity over for {-left_s:.0f} s"
    return f"{view.state.value}{reason}; {counts or 'no messages'}; {validity}"


def log_lines(campaign: CampaignId, logs: Mapping[str, Path]) -> Iterator[str]:
    """Yield the last lines of the logs of all processes that name a campaign."""
    for name, log in logs.items():
        if not log.exists():
            continue
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LOG_TAIL_BYTES))
            lines = [line for line in file if campaign.encode() in line]
        for line in lines[-_LOG_LINES:]:
            yield f"  {name}: {line.decode('utf-8', 'replace').strip()[:_MAX_LINE]}"


def explain(view: CampaignView, found: Standstill | None, logs: Mapping[str, Path]) -> list[str]:
    """Return the details about a campaign that was not sent in time."""
    lines = [f"campaign {view.id} ({view.plan.name}) of {view.plan.sender}: {describe(view)}"]
    lines += [f"  {line}" for line in (found.lines() if found else ["it never stood still for long"])]
    said = list(log_lines(view.id, logs))
    return [*lines, "  the last lines of the logs about it:" if said else "  no log names it", *said]
