from redis.asyncio import Redis

from times_dispatch.ledger.reports.test_sends import KEPT_S, SendTestReport, SendTestReports

DELIVERED = SendTestReport("delivered", 0, 200)
FAILED = SendTestReport("failed", 901, 100)


async def test_reports_are_stored_by_the_index_of_their_message(redis: Redis) -> None:
    reports = SendTestReports(redis)
    await reports.add([(7, DELIVERED), (8, FAILED), (7, FAILED)])
    assert await reports.of(7) == [FAILED, DELIVERED]
    assert await reports.of(8) == [FAILED]
    assert await reports.of(9) == []


async def test_a_report_that_is_added_twice_is_stored_once(redis: Redis) -> None:
    reports = SendTestReports(redis)
    for _ in range(2):
        await reports.add([(7, DELIVERED)])
    assert await reports.of(7) == [DELIVERED]


async def test_reports_that_nobody_reads_expire_and_are_bounded_in_number(redis: Redis) -> None:
    reports = SendTestReports(redis)
    await reports.add([(7, SendTestReport("replied", 0, ts)) for ts in range(50)])
    assert len(await reports.of(7)) == 20
    assert 0 < await redis.ttl("test_send:7") <= KEPT_S
