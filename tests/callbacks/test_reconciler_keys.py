"""A change of the id key: no reconciler relays a report about our messages, whichever keys it has."""

import asyncio

import pytest
from redis.asyncio import Redis

from callbacks.dead_letters import DeadLetters
from callbacks.streams import RELAY
from tests.kit.callbacks import ID_KEY, Processes, SentCampaign, payloads, posted, row, send_campaign
from tests.kit.reconciler import accept, is_settled, make_reconciler, settle
from tests.kit.waiting import eventually
from times_dispatch.ledger.errors import IdKeyRefused, LedgerNewer
from times_dispatch.ledger.id_key import READ_S, IdKeyGuard
from times_dispatch.ledger.keys import ID_KEY as ID_KEY_RECORD
from times_dispatch.ledger.keys import SCHEMA
from times_dispatch.ledger.schema import MAJOR
from times_dispatch.ledger.states import MessageState
from times_dispatch.provider.correlation_ids import CorrelationIds

NEW_KEY = "the-new-id-key-of-enough-bytes"
BOTH = (NEW_KEY, ID_KEY)
FOREIGN = posted("delivered", row("somebody-elses"))
LOOKS_LIKE_OURS = posted("delivered", row("abcdefgh" + "0" * 24))


async def change_key(redis: Redis) -> None:
    await IdKeyGuard(redis, NEW_KEY.encode(), ID_KEY.encode()).register()


async def sent_with_the_new_key(redis: Redis) -> SentCampaign:
    return await send_campaign(redis, CorrelationIds(NEW_KEY.encode()))


async def test_a_running_reconciler_without_the_new_key_relays_no_report_of_an_id_made_with_it(redis: Redis) -> None:
    running = make_reconciler(redis, relaying=True)
    await settle(running)
    await change_key(redis)
    sent = await sent_with_the_new_key(redis)
    await accept(redis, posted("delivered", row(sent.meta(0))), FOREIGN)
    with pytest.raises(IdKeyRefused, match="still the previous key"):
        await asyncio.wait_for(running.run(asyncio.Event()), 30)
    assert await payloads(redis, RELAY) == []
    assert await DeadLetters(redis).count() == {}
    await settle(make_reconciler(redis, relaying=True, keys=BOTH))  # the first reconciler returned the entry
    assert await sent.count(MessageState.DELIVERED) == 1
    assert await payloads(redis, RELAY) == [FOREIGN]
    assert await is_settled(redis)


async def test_a_reconciler_applies_nothing_to_a_ledger_that_is_newer(redis: Redis, sent: SentCampaign) -> None:
    await accept(redis, posted("delivered", row(sent.meta(0))))
    await redis.hset(SCHEMA, mapping={"major": MAJOR + 1, "minor": 0, "version": "9.0"})
    with pytest.raises(LedgerNewer, match="the ledger has schema"):
        await asyncio.wait_for(make_reconciler(redis).run(asyncio.Event()), 30)
    assert await sent.count(MessageState.DELIVERED) == 0
    assert not await is_settled(redis)


async def test_without_a_relay_no_report_of_ours_becomes_a_dead_letter_either(redis: Redis) -> None:
    running = make_reconciler(redis)
    await settle(running)
    await change_key(redis)
    sent = await sent_with_the_new_key(redis)
    await accept(redis, posted("delivered", row(sent.meta(0))))
    with pytest.raises(IdKeyRefused):
        await settle(running)
    assert await DeadLetters(redis).totals() == {}


async def test_a_reconciler_with_both_keys_applies_reports_of_ids_made_with_either(
    redis: Redis, sent: SentCampaign
) -> None:
    await IdKeyGuard(redis, ID_KEY.encode()).register()
    await change_key(redis)
    new = await sent_with_the_new_key(redis)
    await accept(redis, posted("delivered", row(sent.meta(0)), row(new.meta(1))))
    await settle(make_reconciler(redis, relaying=True, keys=BOTH))
    assert await sent.count(MessageState.DELIVERED) == await new.count(MessageState.DELIVERED) == 1


async def test_the_old_key_may_be_given_everywhere_before_the_key_is_changed(redis: Redis) -> None:
    reads_both = make_reconciler(redis, relaying=True, keys=(ID_KEY, NEW_KEY))
    await settle(reads_both)
    await change_key(redis)
    sent = await sent_with_the_new_key(redis)
    await accept(redis, posted("delivered", row(sent.meta(0))), LOOKS_LIKE_OURS)
    await settle(reads_both)
    assert await sent.count(MessageState.DELIVERED) == 1
    assert await payloads(redis, RELAY) == [LOOKS_LIKE_OURS]


async def test_a_reconciler_does_not_start_without_the_key_of_before_while_reports_of_its_ids_may_come(
    redis: Redis, sent: SentCampaign
) -> None:
    await IdKeyGuard(redis, ID_KEY.encode()).register()
    await change_key(redis)
    await accept(redis, posted("delivered", row(sent.meta(0))))
    with pytest.raises(IdKeyRefused, match="set DISPATCH_ID_KEY_OLD"):
        await settle(make_reconciler(redis, relaying=True, keys=(NEW_KEY, "")))
    await redis.hincrby(ID_KEY_RECORD, "changed_ms", -READ_S * 1000)
    await settle(make_reconciler(redis, relaying=True, keys=(NEW_KEY, "")))
    assert await is_settled(redis)


async def test_an_id_that_only_looks_like_ours_is_relayed_as_ever(redis: Redis) -> None:
    await accept(redis, LOOKS_LIKE_OURS, FOREIGN)
    await settle(make_reconciler(redis, relaying=True))
    assert await payloads(redis, RELAY) == [LOOKS_LIKE_OURS, FOREIGN]


@pytest.mark.processes
async def test_real_reconcilers_through_a_change_host_by_host(
    redis: Redis, redis_url: str, sent: SentCampaign, processes: Processes
) -> None:
    """Two hosts, each with a reconciler; the first gets the new key, and then the second."""
    relay = {"DISPATCH_CALLBACKS_RELAY_URL": "http://127.0.0.1:1/"}
    second_host = processes.reconciler(redis_url, **relay)

    async def has_started(count: int) -> bool:
        return processes.logs().count('"reconciler started"') == count

    await eventually(lambda: has_started(1))
    await eventually(lambda: redis.exists(ID_KEY_RECORD))
    other = processes.reconciler(redis_url, DISPATCH_ID_KEY=NEW_KEY)
    assert await asyncio.to_thread(other.wait, 20) == 2
    assert "DISPATCH_ID_KEY is not the key with which the other processes" in processes.logs()

    keys = {"DISPATCH_ID_KEY": NEW_KEY, "DISPATCH_ID_KEY_OLD": ID_KEY}
    first_host = processes.reconciler(redis_url, **keys, **relay)
    await eventually(lambda: redis.hexists(ID_KEY_RECORD, "previous"))
    new = await sent_with_the_new_key(redis)
    for index in range(new.total):
        await accept(redis, posted("delivered", row(new.meta(index)), row(sent.meta(index))))

    async def all_delivered() -> bool:
        return await new.count(MessageState.DELIVERED) == await sent.count(MessageState.DELIVERED) == new.total

    await eventually(all_delivered)
    await eventually(lambda: is_settled(redis))
    restarted = processes.reconciler(redis_url, **relay)
    assert await asyncio.to_thread(restarted.wait, 20) == 2
    if second_host.poll() is not None:  # the host read a report with an id of the new key
        assert second_host.returncode == 2
    assert first_host.poll() is None
    assert await payloads(redis, RELAY) == []
    assert await DeadLetters(redis).totals() == {}
    logs = processes.logs()
    assert "Traceback" not in logs
    assert NEW_KEY not in logs
    assert ID_KEY not in logs
