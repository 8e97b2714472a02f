"""The alerts in the ledger: which alerts are open, which targets were notified, and which targets cannot be reached.

One process at a time decides about alerts: the process that holds the lease. All processes, also after a restart, read
the same records, so no target is notified twice. ``times_dispatch.alerts`` decides; this module reads and writes the
records.
"""

import secrets
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.keys import (
    ALERT_TARGETS,
    ALERTS,
    ALERTS_ENDED,
    ALERTS_OPEN,
    ALERTS_WATCHED,
    WatchedField,
)
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.protocol import Status
from times_dispatch.ledger.scripts import Script, text
from times_dispatch.unreadable_json import UNREADABLE_JSON

LEASE_S: Final = 30.0
"""How long the lease lasts: after this time without a call, another process may decide about alerts."""


class AlertKind(StrEnum):
    """What an alert is about; dispatch.toml and the ledger hold the values."""

    FINISHED = "finished"
    """A campaign finished: an event, for which targets are notified once."""
    BRAKED = "braked"
    """A campaign, or a provider for a sender, is braked."""
    NO_WORKER = "no_worker"
    """No worker, or no beat, runs."""
    REDIS_AWAY = "redis_away"
    """The ledger cannot be used; the alerts process sends this alert without the ledger."""
    CLOCKS = "clocks"
    """The clocks of Redis and of a host differ by more than a minute."""
    MEMORY = "memory"
    """Redis is nearly full."""
    BUDGET = "budget"
    """The budget of a campaign, or of a sender's day, is nearly spent."""
    PROVIDER_AWAY = "provider_away"
    """A sender backs off from a provider."""
    SILENCE = "silence"
    """Delivery reports are missing, and promotional messages are held back."""
    IN_DOUBT = "in_doubt"
    """Too many messages of a sender are in doubt."""
    REPORTS_BEHIND = "reports_behind"
    """Reports wait too long, or no process takes or applies them."""
    FORWARDING_BEHIND = "forwarding_behind"
    """Copies of reports wait too long for the system to which they are forwarded."""
    DELIVERED_SHARE = "delivered_share"
    """Fewer messages are delivered than is usual."""
    COMPLAINTS = "complaints"
    """Complaints about a sender are near the number that starts an action."""


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """The notifications of one target about one alert; times are epoch milliseconds, 0 is never."""

    opened_ms: int = 0
    """When the target was notified that the alert is open, or that the event happened."""
    last_ms: int = 0
    """When the target was last notified that the alert is open."""
    resolved_ms: int = 0
    """When the target was notified that the alert is over."""
    claimed_ms: int = 0
    """Since when a process has been notifying the target; 0 if no process is."""
    claimed_by: str = ""
    """The token of the process that is notifying the target."""


class AlertRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One alert; times are epoch milliseconds by Redis' clock, and 0 if the moment has not come."""

    id: str
    """``braked:TIMESM:times``: the kind and the subject."""
    kind: str
    """An ``AlertKind``; a text, because a newer version may have other kinds."""
    sender: str = ""
    """Empty if the alert is about the whole deployment."""
    text: str
    """One line for people, without a phone number and without the text of a message."""
    is_event: bool = False
    """Whether the alert is an event: its targets are notified once, and the alert is never over."""
    seen_ms: int
    """Since when the condition of the alert holds."""
    absent_ms: int = 0
    """Since when the condition of the alert no longer holds."""
    opened_ms: int = 0
    """When the condition had held for long enough to notify people."""
    resolved_ms: int = 0
    """When the condition had been absent for long enough to end the alert."""
    notified: dict[str, Notification] = {}
    """By target."""


class TargetState(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a target can be reached; times are epoch milliseconds, and 0 if there was no such moment."""

    notified_ms: int = 0
    """When the target last took a message."""
    failing_since_ms: int = 0
    """Since when the target has taken no message."""
    failures: int = 0
    """Messages in a row that the target did not take."""
    reason: str = ""
    """Why the target did not take the last message; the text holds no address and no secret."""
    next_try_ms: int = 0
    """No message is sent to the target before this time."""


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """The campaigns at the last check of the ledger, so that the next check finds the campaigns that finished."""

    until_ms: int = 0
    """The time of the last check, by Redis' clock; 0 if there was none."""
    live: dict[SenderId, list[CampaignId]] = {}
    ended: dict[SenderId, list[CampaignId]] = {}
    """The ended campaigns that were created since ``ended_since_ms``, or in the future."""
    ended_since_ms: int = 0


class AlertsKept(msgspec.Struct, frozen=True, kw_only=True):
    """All records of the ledger about alerts, except the alerts that ended."""

    open: dict[str, AlertRecord]
    """By id: alerts that are not over, or about which a target still has to be notified."""
    targets: dict[str, TargetState]
    watched: Watched


class AlertChange(NamedTuple):
    """One write of the process that decides about alerts."""

    key_end: str
    """The end of the key to write: open, ended, targets or watched."""
    name: str
    value: bytes
    """The new value; an empty value deletes the name."""

    @classmethod
    def of_open(cls, record: AlertRecord) -> "AlertChange":
        """Write an alert that is open."""
        return cls("open", record.id, msgspec.json.encode(record))

    @classmethod
    def closed(cls, record: AlertRecord) -> "AlertChange":
        """Delete an alert from the open alerts."""
        return cls("open", record.id, b"")

    @classmethod
    def ended(cls, record: AlertRecord) -> "AlertChange":
        """Add an alert to the ended alerts."""
        return cls("ended", str(record.resolved_ms or record.opened_ms), msgspec.json.encode(record))

    @classmethod
    def of_target(cls, name: str, state: TargetState) -> "AlertChange":
        """Write whether a target can be reached."""
        return cls("targets", name, msgspec.json.encode(state))

    @classmethod
    def no_target(cls, name: str) -> "AlertChange":
        """Forget a target that the settings do not have any more."""
        return cls("targets", name, b"")

    @classmethod
    def of_watched(cls, before: Watched, now: Watched) -> list["AlertChange"]:
        """Write the times of the last check; write its campaigns only if they changed."""
        changes = [
            cls("watched", WatchedField.UNTIL_MS, str(now.until_ms).encode()),
            cls("watched", WatchedField.ENDED_SINCE_MS, str(now.ended_since_ms).encode()),
        ]
        if now.live != before.live:
            changes.append(cls("watched", WatchedField.LIVE, msgspec.json.encode(now.live)))
        if now.ended != before.ended:
            changes.append(cls("watched", WatchedField.ENDED, msgspec.json.encode(now.ended)))
        return changes


_EARLIER_MS: Final = 60_000
"""An earlier version kept the ended campaigns that were created in this time before the check."""


async def read_target_states(redis: Redis) -> dict[str, TargetState]:
    """Return whether targets can be reached, by their names. Raises Redis errors."""
    reply: Any = await redis.hgetall(ALERT_TARGETS)
    return _decoded(reply, TargetState)


class AlertStore:
    """Reads and writes the alerts of the ledger for one process."""

    def __init__(self, redis: Redis, *, lease_s: float = LEASE_S) -> None:
        self._redis = redis
        self._keep = Script(redis, "keep_alerts")
        self._lease_ms = int(lease_s * 1000)
        self._number = 0
        self.token = secrets.token_hex(8)
        """Identifies this process in the lease and in notifications."""

    async def keep(self, changes: Sequence[AlertChange] = ()) -> bool:
        """Take or renew the lease and write changes; return False and write nothing if another process has it."""
        return await self._write(changes, self._lease_ms)

    async def release(self) -> None:
        """Let another process take the lease at once."""
        await self._write((), 1)

    async def _write(self, changes: Sequence[AlertChange], lease_ms: int) -> bool:
        self._number += 1
        items = [change._asdict() for change in changes]
        reply = await self._keep(ALERTS, token=self.token, number=self._number, lease_ms=lease_ms, changes=items)
        return text(reply["status"]) == Status.RECORDED

    async def read(self) -> AlertsKept:
        """Return all records; a record that cannot be read is left out."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(ALERTS_OPEN)
            pipe.hgetall(ALERT_TARGETS)
            pipe.hgetall(ALERTS_WATCHED)
            opened, targets, watched = await pipe.execute()
        records = _decoded(opened, AlertRecord)
        return AlertsKept(open=records, targets=_decoded(targets, TargetState), watched=_watched(watched))

    async def ended_ids(self) -> set[str]:
        """Return the ids of all ended alerts that the ledger keeps."""
        replies: Any = await self._redis.zrange(ALERTS_ENDED, 0, -1)
        return {record.id for record in _decoded(dict(enumerate(replies)), AlertRecord).values()}

    async def ended(self, *, limit: int) -> list[AlertRecord]:
        """Return the alerts that ended last, the newest first."""
        replies: Any = await self._redis.zrevrange(ALERTS_ENDED, 0, limit - 1)
        return list(_decoded(dict(enumerate(replies)), AlertRecord).values())


def _decoded(replies: dict[Any, bytes], kind: Any) -> dict[str, Any]:
    decoded = dict[str, Any]()
    for name, value in replies.items():
        try:
            known_name = name.decode() if isinstance(name, bytes) else str(name)
            decoded[known_name] = msgspec.json.decode(value, type=kind)
        except UNREADABLE_JSON:  # another version or another program wrote it
            continue
    return decoded


def _watched(reply: dict[bytes, bytes]) -> Watched:
    fields = (WatchedField.UNTIL_MS, WatchedField.LIVE, WatchedField.ENDED, WatchedField.ENDED_SINCE_MS)
    until_ms, live, ended, ended_since_ms = (reply.get(field.value.encode()) for field in fields)
    try:
        return Watched(
            until_ms=int(until_ms or 0),
            live=msgspec.json.decode(live or b"{}", type=dict[SenderId, list[CampaignId]]),
            ended=msgspec.json.decode(ended or b"{}", type=dict[SenderId, list[CampaignId]]),
            ended_since_ms=int(ended_since_ms or int(until_ms or 0) - _EARLIER_MS),
        )
    except (ValueError, msgspec.MsgspecError):
        return Watched()
