"""The scenarios: a fault of the network or of a clock, and the outcome of six campaigns."""

import asyncio
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from tests.chaos.faked_clock import HOW_TO_INSTALL, find_library
from tests.hosts.network import DATA, PROVIDER, WORKERS, Network
from tests.hosts.stack import CONTENT_ID, SENDERS, TEXT, HostsStack
from tests.hosts.takeover import TakeoverWatch
from tests.kit.command_line import compare
from tests.kit.fake_provider import FakeProvider
from tests.kit.push_meter import PushMeter
from tests.kit.workers import WorkerRig
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.queries import Queries

CUT_S: Final = 30.0
"""The duration of a cut, in seconds: twice as long as a lease."""
_LEARNS_WITHIN_S: Final = 15.0
"""Seconds until a worker notices a cut: an acknowledgement is missing for 6 s, and a response for 3 s more."""
_MEASURED_S: Final = 5.0
_BATCH_SIZE: Final = 200
_SENDS_WITHIN_S: Final = 150.0
_VALID_S: Final = 3_600


class Trouble(StrEnum):
    """What happens to the host of a worker."""

    NO_REDIS = "cut off from Redis, not from the provider"
    NO_PROVIDER = "cut off from the provider, not from Redis"
    NOTHING = "cut off from both"
    CLOCK_AHEAD = "clock of a host a minute ahead"
    CLOCK_BEHIND = "clock of a host a minute behind"
    SLOW = "links of 50 ms"


class Outcome(NamedTuple):
    """The figures of a scenario."""

    trouble: Trouble
    messages: int
    accepted_twice: int
    not_sent: int
    differences: int
    """Messages whose state in the ledger disagrees with the provider's books."""
    in_doubt: int
    """Messages that are still in doubt in the ledger after all reports arrived."""
    in_doubt_accepted: int
    """Messages in doubt that the provider has accepted."""
    taken_over: int
    """Batches of the cut-off host that another worker took."""
    taken_over_s: float
    """Seconds from the cut until another worker took the last of these batches."""
    rate_before: float
    """Messages per second of all senders together before a cut; 0 without a cut."""
    rate_meanwhile: float
    """Messages per second of all senders together from some seconds after the cut to its end; 0 without a cut."""
    max_gap_s: float
    """The longest time, in seconds, in which the provider got no message of a sender with messages to send."""


def why_skipped(trouble: Trouble) -> str:
    """Return why a scenario cannot run on this machine; empty if it can."""
    is_clock = trouble in (Trouble.CLOCK_AHEAD, Trouble.CLOCK_BEHIND)
    return HOW_TO_INSTALL if is_clock and not find_library() else ""


def run(trouble: Trouble, *, messages: int, until_taken_over_s: float = 0.0) -> Outcome:
    """Send a campaign of each sender through a scenario.

    Args:
        trouble: the fault.
        messages: the number of messages of each campaign.
        until_taken_over_s: a cut ends when other workers took the batches, but not later than after these seconds; 0
            for a cut of ``CUT_S``, in which the rate is measured.
    """
    minute = {Trouble.CLOCK_AHEAD: 60, Trouble.CLOCK_BEHIND: -60}.get(trouble, 0)
    round_trip_s = 0.05 if trouble is Trouble.SLOW else 0.0
    with Network() as network:
        stack = HostsStack(network, ahead_s={WORKERS[0]: minute}, round_trip_s=round_trip_s)
        rate_before = rate_meanwhile = 0.0
        with stack:
            with PushMeter(stack) as meter:
                campaigns = asyncio.run(_submit(stack, messages))
                meter.wait_for(len(SENDERS) * min(100, messages // 8), within_s=_SENDS_WITHIN_S)
                happens = _HAPPENS.get(trouble)
                if happens and not until_taken_over_s:
                    rate_before = _measure_rate(meter, _MEASURED_S)
                with TakeoverWatch(stack.redis.url, campaigns, -(-messages // _BATCH_SIZE)) as watch:
                    if happens:
                        happens(network)
                        if until_taken_over_s:
                            watch.wait_until_taken_over(until_taken_over_s)
                        else:
                            time.sleep(_LEARNS_WITHIN_S)
                            rate_meanwhile = _measure_rate(meter, CUT_S - _LEARNS_WITHIN_S)
                        network.heal()
                    asyncio.run(_wait_until_sent(stack, campaigns))
            stack.check()
            views, comparisons = zip(*(compare(stack, campaign) for _, campaign in campaigns), strict=True)
    taken_over_s = list(watch.taken_over_s.values()) if trouble in _HAPPENS else []
    return Outcome(
        trouble=trouble,
        messages=sum(view.total for view in views),
        accepted_twice=sum(comparison.accepted_twice for comparison in comparisons),
        not_sent=sum(view.unsent for view in views),
        differences=sum(comparison.differences for comparison in comparisons),
        in_doubt=sum(comparison.undecided for comparison in comparisons),
        in_doubt_accepted=sum(comparison.undecided_in_books for comparison in comparisons),
        taken_over=len(taken_over_s),
        taken_over_s=max(taken_over_s, default=0.0),
        rate_before=rate_before,
        rate_meanwhile=rate_meanwhile,
        max_gap_s=meter.max_gap_s,
    )


def _measure_rate(meter: PushMeter, seconds: float) -> float:
    """Return the messages per second that all senders together send now."""
    accepted, began = meter.accepted, time.monotonic()
    time.sleep(seconds)
    return (meter.accepted - accepted) / (time.monotonic() - began)


def _no_redis(network: Network) -> None:
    network.cut(WORKERS[0], DATA)


def _no_provider(network: Network) -> None:
    network.cut(WORKERS[0], PROVIDER)


def _nothing(network: Network) -> None:
    network.cut_off(WORKERS[0])


_HAPPENS: Final[dict[Trouble, Callable[[Network], None]]] = {
    Trouble.NO_REDIS: _no_redis,
    Trouble.NO_PROVIDER: _no_provider,
    Trouble.NOTHING: _nothing,
}


async def _submit(stack: HostsStack, messages: int) -> list[tuple[SenderId, CampaignId]]:
    """Write a campaign of each sender directly to the ledger; upkeep wakes the workers for the campaigns."""
    campaigns = []
    async with connect(stack.redis.url) as redis:
        rig = WorkerRig(redis, FakeProvider())
        for sender in SENDERS:
            campaign = await rig.submit(
                messages,
                batch_size=_BATCH_SIZE,
                campaign=f"{sender.lower()}01",
                sender=SenderId(sender),
                name=f"hosts-{sender.lower()}",
                provider="timesmobile",
                template="order",
                content_id=CONTENT_ID,
                text=TEXT,
                valid_until_ms=round(time.time() + _VALID_S) * 1000,
            )
            campaigns.append((SenderId(sender), campaign))
    return campaigns


async def _wait_until_sent(stack: HostsStack, campaigns: Sequence[tuple[SenderId, CampaignId]]) -> None:
    until = time.monotonic() + _SENDS_WITHIN_S
    async with connect(stack.redis.url) as redis:
        queries = Queries(redis)
        while time.monotonic() < until:
            if not sum([(await queries.campaign(campaign)).unsent for _, campaign in campaigns]):
                return
            await asyncio.sleep(0.5)
