import random

from redis.asyncio import Redis

from tests.kit.redis_memory import memory_of_keys
from times_dispatch.ledger.numbers.opt_outs import Listed, OptOuts


async def test_a_number_is_on_the_list_from_its_adding_to_its_removal(redis: Redis) -> None:
    opt_outs = OptOuts(redis)
    assert await opt_outs.changes() == 0
    assert await opt_outs.add(["919876500001", "919876500002", "919876500001"]) == 2
    assert await opt_outs.changes() == 1
    assert await opt_outs.contains(["919876500002", "919876500003", "919876500001"]) == [
        Listed.OPTED_OUT,
        Listed.NOT_LISTED,
        Listed.OPTED_OUT,
    ]
    assert await opt_outs.remove(["919876500001", "919876500003"]) == 1
    assert await opt_outs.contains(["919876500001"]) == [Listed.NOT_LISTED]
    assert await opt_outs.changes() == 2
    assert await opt_outs.count() == 1


async def test_numbers_come_out_as_they_went_in_with_their_zeros_and_lengths(redis: Redis) -> None:
    numbers = ["919876500000", "919876500007", "4915112300009", "6591234567", "91987650000"]
    opt_outs = OptOuts(redis)
    await opt_outs.add(numbers)
    assert sorted([number async for group in opt_outs.iterate() for number in group]) == sorted(numbers)
    assert await opt_outs.contains([]) == []


async def test_twenty_thousand_numbers_take_few_bytes_each(redis: Redis) -> None:
    # As dense as a million numbers over the whole range of Indian mobile numbers: 25 in a bucket.
    chance = random.Random(1)
    numbers = [f"91{number}" for number in chance.sample(range(6_000_000_000, 6_080_000_000), 20_000)]
    before = await memory_of_keys(redis)
    opt_outs = OptOuts(redis)
    assert await opt_outs.add(numbers) == 20_000
    assert await opt_outs.count() == 20_000
    assert (await memory_of_keys(redis) - before) / 20_000 < 10
    assert all(await opt_outs.contains(numbers[:1_000]))
