"""One walk between the last release and this tree while campaigns are sent, and the outcome of the campaigns."""

import time
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from tests.kit.command_line import compare, show
from tests.upgrade.load import Gap, Load
from tests.upgrade.stack import MixedStack, Version
from times_dispatch.demo.statistics_comparison import recount
from times_dispatch.ledger.model import CampaignId

RATE_PER_S: Final = 200
_WITHIN_S: Final = 600.0
_ORDER: Final = ("reconciler-1", "reconciler-2", "receiver", "worker-1", "worker-2", "beat", "links")
"""The order of docs/deploy.md in which processes are restarted with a new version."""


class Walk(StrEnum):
    """Which version each process runs during the walk."""

    AT_ONCE = "everything stopped in the middle, and started as this version"
    ROLLING = "rolling restart to this version"
    SIDE_BY_SIDE = "a worker of each version from the beginning to the end"
    ROLL_BACK = "rolling restart back to the last version"
    THERE_AND_BACK = "rolling restart to this version, and back"


class Outcome(NamedTuple):
    """The outcome of all campaigns of a walk."""

    walk: Walk
    messages: int
    accepted_twice: int
    not_sent: int
    in_doubt: int
    """Messages that are still in doubt in the ledger after all reports arrived."""
    differences: int
    """Messages whose state in the ledger disagrees with the provider's books."""
    recount: int
    """How many counters of the statistics differ from a recount of all messages."""
    clicks_wrong: int
    """Clicks in the provider's books that the ledger did not count, or counted twice."""
    cut_short: int
    """Workers that could not end their pushes within the grace period; their open messages may be in doubt."""
    refused: int
    """Commands that Redis refused because a user had no right to run them."""
    before_s: float
    """The longest time in which the provider got no message, before the walk began."""
    gap: Gap
    """The longest time in which the provider got no message, after the walk began."""


def run(walk: Walk, old: Path, *, messages: int) -> Outcome:
    """Send campaigns through a walk, and compare the ledger with the provider's books.

    Args:
        walk: the walk.
        old: the folder with the code of the last release.
        messages: how many messages each campaign has.

    Raises:
        ProcessFailed: a process ended by itself.
    """
    settings = (old / "times_dispatch/demo/dispatch.toml").read_text("utf-8")
    begins_with = Version.NEW if walk is Walk.ROLL_BACK else Version.OLD
    stack = MixedStack(
        old,
        begins_with=begins_with,
        settings=settings.replace("rate_per_s = 800", f"rate_per_s = {RATE_PER_S}"),
        sandbox={
            "latency_max_ms": 20,
            # A person without a response in time would click again, and the ledger would count both clicks.
            "reports": {"delay_min_ms": 50, "delay_max_ms": 1_500, "clicked": 0.0, "timeout_ms": 60_000},
            "clicks": {"share": 0.2},
        },
    )
    with stack:
        with Load(stack, messages) as load:
            load.wait_for(messages // 4, within_s=_WITHIN_S)
            _WALKS[walk](stack, load)
            _wait_until_sent(stack, load.campaigns)
        _wait_for_clicks(stack)
        compared = [compare(stack, campaign, within_s=_WITHIN_S) for campaign in load.campaigns]
        clicked = sum(show(stack, campaign)["stats"].get("clicked", 0) for campaign in load.campaigns)
        _, recounted = recount(stack)
        stack.check()
        return Outcome(
            walk=walk,
            messages=sum(view.total for view, _ in compared),
            accepted_twice=sum(comparison.accepted_twice for _, comparison in compared),
            not_sent=sum(view.unsent for view, _ in compared),
            in_doubt=sum(comparison.undecided for _, comparison in compared),
            differences=sum(comparison.differences for _, comparison in compared),
            recount=recounted,
            clicks_wrong=abs(clicked - sum(comparison.totals.clicked for _, comparison in compared)),
            cut_short=len(stack.workers_cut_short()),
            refused=len(stack.refused_by_redis()),
            before_s=load.longest(before=True).seconds,
            gap=load.longest(),
        )


def _wait_until_sent(stack: MixedStack, campaigns: Sequence[CampaignId]) -> None:
    until = time.monotonic() + _WITHIN_S
    while time.monotonic() < until:
        states = [show(stack, campaign)["states"] for campaign in campaigns]
        if not any(counts["pending"] + counts["sending"] for counts in states):
            return
        time.sleep(0.5)


def _wait_for_clicks(stack: MixedStack) -> None:
    until = time.monotonic() + _WITHIN_S
    while stack.books()["reports"]["pending_clicks"] and time.monotonic() < until:
        time.sleep(0.2)


def _at_once(stack: MixedStack, load: Load) -> None:
    load.begin("restart of all")
    stack.load_users(Version.NEW)
    stack.replace_at_once([name for name in stack.processes if name != "sandbox"], Version.NEW)
    stack.set_commands(Version.NEW)


def _upgrade(stack: MixedStack, load: Load) -> None:
    stack.load_users(Version.NEW)
    for name in _ORDER:
        load.begin(f"upgrade of {name}")
        stack.replace(name, Version.NEW)
    stack.set_commands(Version.NEW)
    load.begin("the time after")


def _side_by_side(stack: MixedStack, load: Load) -> None:
    stack.load_users(Version.NEW)
    for name in ("reconciler-1", "worker-1"):
        load.begin(f"upgrade of {name}")
        stack.replace(name, Version.NEW)
    for version in (Version.NEW, Version.OLD):
        stack.set_commands(version)
        load.begin(f"a submit of the {version} version")
        load.wait_for(load.accepted + load.left // 2, within_s=_WITHIN_S)


def _roll_back(stack: MixedStack, load: Load) -> None:
    for name in reversed(_ORDER):
        load.begin(f"roll-back of {name}")
        stack.replace(name, Version.OLD)
    stack.set_commands(Version.OLD)
    stack.load_users(Version.OLD)
    load.begin("the time after")


def _there_and_back(stack: MixedStack, load: Load) -> None:
    _upgrade(stack, load)
    _roll_back(stack, load)


_WALKS: Final[Mapping[Walk, Callable[[MixedStack, Load], None]]] = {
    Walk.AT_ONCE: _at_once,
    Walk.ROLLING: _upgrade,
    Walk.SIDE_BY_SIDE: _side_by_side,
    Walk.ROLL_BACK: _roll_back,
    Walk.THERE_AND_BACK: _there_and_back,
}
