"""Complaints about senders: kept once, counted for ten days, noted in the trail."""

from redis.asyncio import Redis

from tests.kit.ledger import SENDER
from times_dispatch.ledger.monitoring.complaints import DAY_MS, Complaint, Complaints, window_since_ms
from times_dispatch.ledger.trail import Trail

NOW_MS = 1_790_000_000_000


async def test_a_complaint_is_kept_once_and_noted_in_the_trail(redis: Redis) -> None:
    complaints = Complaints(redis, actor="asha@host")
    complaint = Complaint(at_ms=NOW_MS, reference="C-1")
    assert await complaints.add(SENDER, complaint)
    assert not await complaints.add(SENDER, Complaint(at_ms=NOW_MS + 1, reference="C-1"))
    assert await complaints.of(SENDER) == [complaint]
    assert await complaints.remove(SENDER, "C-1")
    assert not await complaints.remove(SENDER, "C-1")
    assert await complaints.of(SENDER) == []
    entries = await Trail(redis).newest([SENDER], limit=9)
    assert [(entry.actor, entry.action, entry.detail) for entry in entries] == [
        ("asha@host", "complaint added", "C-1"),
        ("asha@host", "complaint removed", "C-1"),
    ]


async def test_complaints_of_ten_days_count_together_and_old_ones_are_forgotten(redis: Redis) -> None:
    complaints = Complaints(redis)
    for days in (0, 10, 11, 399, 401):
        await complaints.add(SENDER, Complaint(at_ms=NOW_MS - days * DAY_MS, reference=f"C-{days}"))
    counted = await complaints.of(SENDER, since_ms=window_since_ms(NOW_MS))
    assert [complaint.reference for complaint in counted] == ["C-10", "C-0"]
    await complaints.add(SENDER, Complaint(at_ms=NOW_MS, reference="C-new"))
    assert "C-401" not in {complaint.reference for complaint in await complaints.of(SENDER)}
