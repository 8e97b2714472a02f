import random

from redis.asyncio import Redis

from times_dispatch.ledger.optouts import OptOuts


async def test_a_number_is_on_the_list_from_its_adding_to_its_removal(redis: Redis) -> None:
    optouts = OptOuts(redis)
    assert await optouts.changes() == 0
    assert await optouts.add(["919876500001", "919876500002", "919876500001"]) == 2
    assert await optouts.changes() == 1
    assert await optouts.contains(["919876500002", "919876500003", "919876500001"]) == [True, False, True]
    assert await optouts.remove(["919876500001", "919876500003"]) == 1
    assert await optouts.contains(["919876500001"]) == [False]
    assert await optouts.changes() == 2
    assert await optouts.count() == 1


async def test_numbers_come_out_as_they_went_in_with_their_zeros_and_lengths(redis: Redis) -> None:
    numbers = ["919876500000", "919876500007", "4915112300009", "6591234567", "91987650000"]
    optouts = OptOuts(redis)
    await optouts.add(numbers)
    assert sorted([number async for group in optouts.iterate() for number in group]) == sorted(numbers)
    assert await optouts.contains([]) == []


async def test_twenty_thousand_numbers_take_few_bytes_each(redis: Redis) -> None:
    # As dense as a million numbers over the whole range of Indian mobile numbers: 25 in a bucket.
    chance = random.Random(1)
    numbers = [f"91{number}" for number in chance.sample(range(6_000_000_000, 6_080_000_000), 20_000)]
    before = (await redis.info("memory"))["used_memory"]
    optouts = OptOuts(redis)
    assert await optouts.add(numbers) == 20_000
    assert await optouts.count() == 20_000
    assert ((await redis.info("memory"))["used_memory"] - before) / 20_000 < 10
    assert all(await optouts.contains(numbers[:1_000]))
