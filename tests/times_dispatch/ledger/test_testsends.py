from redis.asyncio import Redis

from times_dispatch.ledger import testsends  # not the classes: pytest would collect their names

DELIVERED = testsends.TestSendReport("delivered", 0, 200)
FAILED = testsends.TestSendReport("failed", 901, 100)


async def test_reports_are_stored_by_the_index_of_their_message(redis: Redis) -> None:
    test_sends = testsends.TestSends(redis)
    await test_sends.add([(7, DELIVERED), (8, FAILED), (7, FAILED)])
    assert await test_sends.of(7) == [FAILED, DELIVERED]
    assert await test_sends.of(8) == [FAILED]
    assert await test_sends.of(9) == []


async def test_a_report_that_is_added_twice_is_stored_once(redis: Redis) -> None:
    test_sends = testsends.TestSends(redis)
    for _ in range(2):
        await test_sends.add([(7, DELIVERED)])
    assert await test_sends.of(7) == [DELIVERED]


async def test_reports_that_nobody_reads_expire_and_are_bounded_in_number(redis: Redis) -> None:
    test_sends = testsends.TestSends(redis)
    await test_sends.add([(7, testsends.TestSendReport("replied", 0, ts)) for ts in range(50)])
    assert len(await test_sends.of(7)) == 20
    assert 0 < await redis.ttl("trial:7") <= testsends.KEPT_S
