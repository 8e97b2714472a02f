from redis.asyncio import Redis

from times_dispatch.ledger.testsends import KEPT_S, SendTestReport, SendTestReports

DELIVERED = SendTestReport("delivered", 0, 200)
FAILED = SendTestReport("failed", 901, 100)


async def test_reports_wait_for_whoever_sent_the_message(redis: Redis) -> None:
    trials = SendTestReports(redis)
    await trials.add([(7, DELIVERED), (8, FAILED), (7, FAILED)])
    assert await trials.of(7) == [FAILED, DELIVERED]
    assert await trials.of(8) == [FAILED]
    assert await trials.of(9) == []


async def test_a_report_that_is_applied_twice_is_one(redis: Redis) -> None:
    trials = SendTestReports(redis)
    for _ in range(2):
        await trials.add([(7, DELIVERED)])
    assert await trials.of(7) == [DELIVERED]


async def test_reports_nobody_waits_for_go_by_themselves_and_never_grow(redis: Redis) -> None:
    trials = SendTestReports(redis)
    await trials.add([(7, SendTestReport("replied", 0, ts)) for ts in range(50)])
    assert len(await trials.of(7)) == 20
    assert 0 < await redis.ttl("trial:7") <= KEPT_S
