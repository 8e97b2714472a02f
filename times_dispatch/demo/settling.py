"""Waits until no report and no click of the sandbox is on its way, so that ledger and books can be compared.

The numbers are read by several commands one after the other, so they are equal only if none of them changes any more.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.reports.report_backlog import Backlog
from times_dispatch.plurals import counted

_LOOK_EVERY_S: Final = 0.2
_STILL_FOR_S: Final = 60.0
"""How long, in seconds, no number may change while something is on its way; a busy machine is slow, but not as slow."""
_MAX_WAIT_S: Final = 900.0
"""The longest wait, in seconds."""


class OnTheirWay(NamedTuple):
    """The reports and clicks that the ledger does not have yet, and how many it has."""

    reports: int
    """The rows of reports that the sandbox has not posted."""
    clicks: int
    """The clicks that the sandbox has not made."""
    posts: int
    """The posts of reports and clicks that no reconciler has finished."""
    applied: int
    """The reports, replies and clicks that the ledger has counted; the number grows while reconcilers work."""

    @property
    def is_empty(self) -> bool:
        """Whether the ledger has everything."""
        return not (self.reports or self.clicks or self.posts)

    def __str__(self) -> str:
        """Return what is on its way, for people."""
        texts = (
            counted(self.reports, "report"),
            counted(self.clicks, "click"),
            counted(self.posts, "post to be applied", "posts to be applied"),
        )
        return ", ".join(text for text, number in zip(texts, self, strict=False) if number)


def on_their_way(books: Mapping[str, Any], backlog: Backlog, view: CampaignView) -> OnTheirWay:
    """Return what is on its way. Read the arguments in their order, so that nothing is missed between two of them."""
    return OnTheirWay(
        reports=books["reports"]["pending"],
        clicks=books["reports"]["pending_clicks"],
        posts=backlog.entries,
        applied=sum(view.counts.values()) - view.unsent + sum(view.stats.values()),
    )


async def wait_until_settled(look: Callable[[], Awaitable[OnTheirWay]], *, clock: Clock = SYSTEM_CLOCK) -> OnTheirWay:
    """Wait as long as something is on its way and numbers change; return what is still on its way at the end.

    Args:
        look: returns what is on its way now.
        clock: times the waits.
    """
    began = changed = clock.monotonic()
    last = await look()
    while not last.is_empty:
        await clock.sleep(_LOOK_EVERY_S)
        now, seen = clock.monotonic(), await look()
        if seen != last:
            changed = now
        elif now - changed >= _STILL_FOR_S:
            break
        if now - began >= _MAX_WAIT_S:
            return seen
        last = seen
    return last
