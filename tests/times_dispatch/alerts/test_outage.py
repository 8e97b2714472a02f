"""The alert about an unavailable ledger, which no ledger stores."""

import pytest

from tests.kit.clock import FakeClock
from times_dispatch.alerts.decisions import NotificationKind
from times_dispatch.alerts.outage import LedgerOutage


def tell(outage: LedgerOutage, target: str = "oncall") -> NotificationKind | None:
    alert = outage.due(target)
    if alert:
        outage.note_sent(target, alert.kind)
    return alert.kind if alert else None


async def test_an_outage_of_a_minute_is_told_once_and_its_end_once() -> None:
    clock = FakeClock()
    outage = LedgerOutage(after_s=60, clock=clock)
    outage.note_failure(notifies=True)
    assert tell(outage) is None
    await clock.advance(59)
    outage.note_failure(notifies=True)
    assert tell(outage) is None
    await clock.advance(1)
    outage.note_failure(notifies=True)
    assert [tell(outage), tell(outage)] == [NotificationKind.OPENED, None]
    outage.note_success()
    outage.note_success()
    assert [tell(outage), tell(outage)] == [NotificationKind.RESOLVED, None]
    outage.note_failure(notifies=True)
    await clock.advance(60)
    outage.note_failure(notifies=True)
    assert tell(outage) is NotificationKind.OPENED


async def test_a_short_outage_is_told_to_nobody() -> None:
    clock = FakeClock()
    outage = LedgerOutage(after_s=60, clock=clock)
    outage.note_failure(notifies=True)
    await clock.advance(30)
    outage.note_success()
    await clock.advance(40)
    outage.note_failure(notifies=True)
    assert tell(outage) is None


@pytest.mark.parametrize(("notifies", "notified"), [(True, NotificationKind.OPENED), (False, None)])
async def test_a_process_that_did_not_decide_before_the_outage_notifies_nobody(
    notifies: bool, notified: NotificationKind | None
) -> None:
    clock = FakeClock()
    outage = LedgerOutage(after_s=1, clock=clock)
    for _ in range(3):
        outage.note_failure(notifies=notifies)
        await clock.advance(1)
    assert tell(outage) is notified


async def test_a_target_that_did_not_hear_of_the_outage_does_not_hear_of_its_end() -> None:
    clock = FakeClock()
    outage = LedgerOutage(after_s=0, clock=clock)
    outage.note_failure(notifies=True)
    outage.note_success()
    assert tell(outage) is None
