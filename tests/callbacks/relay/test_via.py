from redis.asyncio import Redis

from callbacks.relay.via import MAX_RELAYS, make_relay_id, read_relay_id, relays_in


async def test_a_ledger_keeps_the_name_of_its_relays(redis: Redis) -> None:
    assert await read_relay_id(redis) == ""
    name = await make_relay_id(redis)
    assert name.startswith("times-dispatch-")
    assert [await make_relay_id(redis), await read_relay_id(redis)] == [name, name]
    assert relays_in(f"1.1 {name}") == [name.encode()]


def test_only_names_of_relays_are_read_and_each_once() -> None:
    names = [f"times-dispatch-{number:016x}" for number in range(20)]
    assert relays_in(f"1.0 proxy, 1.1 {names[1]}, 1.1 {names[0]}, 1.1 {names[1]}") == [
        names[1].encode(),
        names[0].encode(),
    ]
    assert len(relays_in(", ".join(names))) == MAX_RELAYS + 1
    assert relays_in("") == []
