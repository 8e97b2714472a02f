from typing import Any

from redis.asyncio import Redis

from times_dispatch.ledger.keys import DEAD_LETTERS, LONG_FOREIGN_DEAD_LETTERS
from times_dispatch.ledger.numbers.forgotten_numbers import ForgottenNumbers
from times_dispatch.ledger.numbers.hidden_numbers import ForgottenNumbersHidden
from times_dispatch.ledger.reports.dead_letter_bodies import DeadLetterBodies

NUMBER = "919876543210"
KEY = b"the key of forgotten numbers"


async def _bodies(redis: Redis, stream: str) -> list[bytes]:
    entries: Any = await redis.xrange(stream)
    return [fields[b"b"] for _, fields in entries]


async def test_a_number_is_hidden_in_dead_letters_that_come_after_it_was_forgotten(redis: Redis) -> None:
    bodies = DeadLetterBodies(redis, ForgottenNumbersHidden(redis, KEY).hide_or_refuse)
    await redis.xadd(DEAD_LETTERS, {"reason": "unreadable", "b": b"<from>9876543210", "detail": "d"})
    assert await bodies.hide_new() == 0
    await ForgottenNumbers(redis, KEY).add(NUMBER)
    for index in range(20):
        body = b"<from>98765 43210" if index % 2 else b"<from>98765 43211"
        await redis.xadd(DEAD_LETTERS, {"reason": "unreadable", "b": body, "detail": "d"})
    await redis.xadd(LONG_FOREIGN_DEAD_LETTERS, {"reason": "forged", "b": b"9876543210" + b"x" * 70_000})
    assert await bodies.hide_new() == 11
    kept = await _bodies(redis, DEAD_LETTERS)
    # Entries from before the first call stay: the command that forgets a number changes them.
    assert sorted(kept) == sorted([b"<from>9876543210", *[b"<from>98765 43211", b"<from>10000 00000"] * 10])
    entries: Any = await redis.xrevrange(DEAD_LETTERS, count=1)
    assert entries[0][1] == {b"reason": b"unreadable", b"b": b"<from>10000 00000", b"detail": b"d"}
    assert (await _bodies(redis, LONG_FOREIGN_DEAD_LETTERS))[0][:10] == b"1000000000"
    assert await bodies.hide_new() == 0


async def test_a_second_process_goes_on_where_the_first_ended(redis: Redis) -> None:
    await ForgottenNumbers(redis, KEY).add(NUMBER)
    first, second = (DeadLetterBodies(redis, ForgottenNumbersHidden(redis, KEY).hide_or_refuse) for _ in range(2))
    await redis.xadd(DEAD_LETTERS, {"reason": "unreadable", "b": b"9876543210"})
    assert [await first.hide_new(), await second.hide_new()] == [1, 0]
    await redis.xadd(DEAD_LETTERS, {"reason": "unreadable", "b": b"9876543210"})
    assert [await second.hide_new(), await first.hide_new()] == [1, 0]
    assert await _bodies(redis, DEAD_LETTERS) == [b"1000000000"] * 2


async def test_a_process_with_another_key_leaves_dead_letters_to_those_with_the_key(redis: Redis) -> None:
    await ForgottenNumbers(redis, KEY).add(NUMBER)
    await redis.xadd(DEAD_LETTERS, {"reason": "unreadable", "b": b"9876543210"})
    for other in (b"", b"another key of forgotten numbers"):
        assert await DeadLetterBodies(redis, ForgottenNumbersHidden(redis, other).hide_or_refuse).hide_new() == 0
    assert await DeadLetterBodies(redis, ForgottenNumbersHidden(redis, KEY).hide_or_refuse).hide_new() == 1
    assert await _bodies(redis, DEAD_LETTERS) == [b"1000000000"]
