import pytest
from redis.asyncio import Redis

from tests.kit.ledger import recipients
from times_dispatch.ledger.errors import ForgetKeyRefused
from times_dispatch.ledger.numbers.forgotten_numbers import FORGOTTEN, ForgottenNumbers, without_data

KEY = b"the key of forgotten numbers"
NUMBER, OTHER = "919876543210", "919876543211"


async def test_a_forgotten_number_is_known_again_by_its_digest_only(redis: Redis) -> None:
    forgotten = ForgottenNumbers(redis, KEY)
    assert await forgotten.contain([NUMBER, OTHER]) == [False, False]
    digest = await forgotten.add(NUMBER)
    assert await forgotten.contain([NUMBER, OTHER]) == [True, False]
    assert await ForgottenNumbers(redis, KEY).positions([OTHER, NUMBER, NUMBER]) == [1, 2]
    stored = [await redis.dump(key) for key in await redis.keys()]
    assert digest not in {NUMBER, NUMBER.encode().hex()}
    assert not any(NUMBER[2:].encode() in content for content in stored if content)


async def test_a_number_that_another_process_forgets_is_known_at_the_next_look_up(redis: Redis) -> None:
    first, second = ForgottenNumbers(redis, KEY), ForgottenNumbers(redis, KEY)
    await first.add(OTHER)
    assert await first.contain([NUMBER]) == [False]
    await second.add(NUMBER)
    assert await first.contain([NUMBER]) == [True]


async def test_another_key_or_none_is_refused_as_soon_as_any_number_is_forgotten(redis: Redis) -> None:
    assert await ForgottenNumbers(redis).contain([NUMBER]) == [False]
    with pytest.raises(ForgetKeyRefused, match="is not set"):
        await ForgottenNumbers(redis).add(NUMBER)
    await ForgottenNumbers(redis, KEY).add(OTHER)
    with pytest.raises(ForgetKeyRefused, match="is not set"):
        await ForgottenNumbers(redis).contain([NUMBER])
    with pytest.raises(ForgetKeyRefused, match="is not the key"):
        await ForgottenNumbers(redis, b"x" * 16).contain([NUMBER])
    with pytest.raises(ForgetKeyRefused, match="is not the key"):
        await ForgottenNumbers(redis, b"x" * 16).add(NUMBER)


def test_recipients_without_the_data_of_some_messages_keep_everything_else() -> None:
    before = recipients(3, 3)
    after = without_data(before, [1])
    assert after.to == [before.to[0], FORGOTTEN, before.to[2]]
    assert after.slots == [["name 3", "", "name 5"]]
    assert (after.first, after.lines, after.parts) == (before.first, before.lines, before.parts)
    assert without_data(before, []) is before
