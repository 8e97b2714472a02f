"""One walk between the last release and this tree while a campaign goes out, and what came of the campaign."""

import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

import times_dispatch.demo
from tests.kit.command_line import compare, show, submit
from tests.kit.push_meter import PushMeter
from tests.upgrade.stack import MixedStack, Version
from times_dispatch.demo import recipients
from times_dispatch.demo.statistics_comparison import recount
from times_dispatch.ledger.model import CampaignId

RATE_PER_S: Final = 400
_WITHIN_S: Final = 240.0
_ORDER: Final = ("reconciler-1", "reconciler-2", "receiver", "worker-1", "worker-2", "beat", "links")
"""The order of docs/deploy.md in which the processes of a new version take over."""


class Walk(StrEnum):
    """Which processes run which code, and when that changes."""

    AT_ONCE = "everything stopped in the middle, and started as this version"
    ROLLING = "rolling restart to this version"
    SIDE_BY_SIDE = "a worker of each version from the beginning to the end"
    ROLL_BACK = "rolling restart back to the last version"
    THERE_AND_BACK = "rolling restart to this version, and back"


class Outcome(NamedTuple):
    """What came of a campaign through a walk."""

    walk: Walk
    messages: int
    accepted_twice: int
    not_sent: int
    in_doubt: int
    """Messages of which the ledger does not say whether they were pushed, after all reports came."""
    differences: int
    """Messages of which the ledger says something else than the provider's books."""
    recount: int
    """How many counters of the statistics differ from a recount of all messages."""
    clicks_wrong: int
    """Clicks of the provider's books that the ledger lost or doubled."""
    max_gap_s: float
    """The longest time in which the provider got no message, from the first to the last."""


def run(walk: Walk, old: Path, *, messages: int) -> Outcome:
    """Send a campaign through a walk, and compare the ledger with the provider's books."""
    settings = (old / "times_dispatch/demo/dispatch.toml").read_text("utf-8")
    begins_with = Version.NEW if walk is Walk.ROLL_BACK else Version.OLD
    stack = MixedStack(
        old,
        begins_with=begins_with,
        settings=settings.replace("rate_per_s = 800", f"rate_per_s = {RATE_PER_S}"),
        sandbox={
            "latency_max_ms": 20,
            "reports": {"delay_min_ms": 50, "delay_max_ms": 1_500, "clicked": 0.0},
            "clicks": {"share": 0.2, "max_clicks": 2},
        },
    )
    with stack:
        rows = stack.folder / "upgrade.csv"
        recipients.write(rows, messages, seed=7, wrong=False)
        campaign = submit(stack, Path(times_dispatch.demo.__file__).parent / "campaign.toml", rows)
        with PushMeter(stack) as meter:
            meter.wait_for(messages // 8, within_s=_WITHIN_S)
            _WALKS[walk](stack)
            _wait_until_sent(stack, campaign)
        view, comparison = compare(stack, campaign, within_s=_WITHIN_S)
        _wait_for_clicks(stack)
        view, comparison = compare(stack, campaign, within_s=_WITHIN_S)
        _, recounted = recount(stack)
        clicked = show(stack, campaign)["stats"].get("clicked", 0)
        stack.check()
        return Outcome(
            walk=walk,
            messages=view.total,
            accepted_twice=comparison.accepted_twice,
            not_sent=view.unsent,
            in_doubt=comparison.undecided,
            differences=comparison.differences,
            recount=recounted,
            clicks_wrong=abs(clicked - comparison.totals.clicked),
            max_gap_s=meter.max_gap_s,
        )


def _wait_until_sent(stack: MixedStack, campaign: CampaignId) -> None:
    until = time.monotonic() + _WITHIN_S
    while time.monotonic() < until:
        states = show(stack, campaign)["states"]
        if not states["pending"] + states["sending"]:
            return
        time.sleep(0.5)


def _wait_for_clicks(stack: MixedStack) -> None:
    until = time.monotonic() + _WITHIN_S
    while stack.books()["reports"]["pending_clicks"] and time.monotonic() < until:
        time.sleep(0.2)


def _at_once(stack: MixedStack) -> None:
    stack.replace_at_once([name for name in stack.processes if name != "sandbox"], Version.NEW)
    stack.set_commands(Version.NEW)


def _roll(stack: MixedStack, version: Version) -> None:
    names = _ORDER if version is Version.NEW else tuple(reversed(_ORDER))
    for name in names:
        stack.replace(name, version)
    stack.set_commands(version)


def _side_by_side(stack: MixedStack) -> None:
    for name in ("reconciler-1", "worker-1"):
        stack.replace(name, Version.NEW)
    stack.set_commands(Version.NEW)


def _there_and_back(stack: MixedStack) -> None:
    _roll(stack, Version.NEW)
    _roll(stack, Version.OLD)


_WALKS: Final[Mapping[Walk, Callable[[MixedStack], None]]] = {
    Walk.AT_ONCE: _at_once,
    Walk.ROLLING: lambda stack: _roll(stack, Version.NEW),
    Walk.SIDE_BY_SIDE: _side_by_side,
    Walk.ROLL_BACK: lambda stack: _roll(stack, Version.OLD),
    Walk.THERE_AND_BACK: _there_and_back,
}
