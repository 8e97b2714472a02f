"""One failover under load with one setting, and the losses."""

import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from typing import Final, NamedTuple

from tests.failover.stack import StackBehindSentinel
from tests.kit.command_line import campaign_file, compare, show, submit
from tests.kit.push_meter import PushMeter
from times_dispatch.demo import recipients
from times_dispatch.demo.stack import SETTINGS
from times_dispatch.ledger.model import CampaignId

_BEHIND_S: Final = 3.0
_FROZEN_S: Final = 12.0
_BEGUN: Final = 1_000
"""The number of sent messages at which the failover begins."""
_SENDS_WITHIN_S: Final = 120.0


class Setting(StrEnum):
    """The setting of the deployment that limits the losses of a failover."""

    NONE = "none"
    MIN_REPLICAS = "min-replicas-to-write 1"
    WAIT = "wait_for_replicas = 1"


class Event(StrEnum):
    """The fault of the primary."""

    KILLED = "primary killed"
    KILLED_BEHIND = "links of the replicas cut for 3 s, then primary killed"
    FROZEN = "primary frozen for 12 s"


class Loss(NamedTuple):
    """The outcome of one campaign during one failover."""

    setting: Setting
    event: Event
    messages: int
    accepted_twice: int
    not_sent: int
    differences: int
    """Messages whose state in the ledger disagrees with the provider's books."""
    in_doubt: int
    """Messages that are still in doubt in the ledger after all reports arrived."""
    in_doubt_accepted: int
    """Messages in doubt that the provider has accepted."""
    failover_s: float
    """Seconds from the event until the sentinels named another primary."""
    gap_s: float
    """The longest time, in seconds, in which the provider got no message."""


def run(setting: Setting, event: Event, *, messages: int) -> Loss:
    """Send a campaign during a failover, and compare the ledger with the provider's books."""
    settings = SETTINGS.read_text("utf-8").replace("rate_per_s = 800", "rate_per_s = 400")
    if setting is Setting.WAIT:
        settings = settings.replace("wait_for_replicas = 0", "wait_for_replicas = 1")
    sandbox = {"latency_max_ms": 20, "reports": {"delay_min_ms": 50, "delay_max_ms": 500}}
    stack = StackBehindSentinel(workers=2, settings=settings, sandbox=sandbox)
    with stack:
        if setting is Setting.MIN_REPLICAS:
            stack.group.configure("min-replicas-max-lag", 2)
            stack.group.configure("min-replicas-to-write", 1)
        rows = stack.folder / "failover.csv"
        recipients.write(rows, messages, seed=7, wrong=False)
        campaign = submit(stack, campaign_file(stack, "failover"), rows)
        with PushMeter(stack) as meter:
            meter.wait_for(min(_BEGUN, messages // 4), within_s=_SENDS_WITHIN_S)
            failover_s = _HAPPEN[event](stack)
            _wait_until_sent(stack, campaign, within_s=_SENDS_WITHIN_S)
        view, comparison = compare(stack, campaign)
        return Loss(
            setting=setting,
            event=event,
            messages=view.total,
            accepted_twice=comparison.accepted_twice,
            not_sent=view.unsent,
            differences=comparison.differences,
            in_doubt=comparison.undecided,
            in_doubt_accepted=comparison.undecided_in_books,
            failover_s=failover_s,
            gap_s=meter.max_gap_s,
        )


def _wait_until_sent(stack: StackBehindSentinel, campaign: CampaignId, *, within_s: float) -> None:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        with suppress(AssertionError):  # the command fails while there is no primary
            states = show(stack, campaign)["states"]
            if not states["pending"] + states["sending"]:
                return
        time.sleep(0.5)


def _kill(stack: StackBehindSentinel) -> float:
    stack.redis.kill()
    return stack.group.wait_for_failover()


def _kill_behind(stack: StackBehindSentinel) -> float:
    stack.group.cut_links()
    time.sleep(_BEHIND_S)
    stack.redis.kill()
    stack.group.restore_links()
    return stack.group.wait_for_failover()


def _freeze(stack: StackBehindSentinel) -> float:
    began = time.monotonic()
    stack.redis.send(signal.SIGSTOP)
    failover_s = stack.group.wait_for_failover()
    time.sleep(max(0.0, began + _FROZEN_S - time.monotonic()))
    stack.redis.send(signal.SIGCONT)
    return failover_s


_HAPPEN: Final[Mapping[Event, Callable[[StackBehindSentinel], float]]] = {
    Event.KILLED: _kill,
    Event.KILLED_BEHIND: _kill_behind,
    Event.FROZEN: _freeze,
}
