import msgspec
import pytest

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger, recipients
from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.numbers.dead_numbers import DeadNumberRule, DeadNumbers
from times_dispatch.ledger.numbers.forgetting import NumberForgetting, spellings
from times_dispatch.ledger.records import pack_recipients
from times_dispatch.ledger.reports.forward_backlog import lane_keys
from times_dispatch.ledger.reports.test_sends import SendTestReports
from times_dispatch.ledger.scripts import Script
from times_dispatch.ledger.states import CampaignState, Suppression

NUMBER = "919800000001"
RULE = DeadNumberRule(frozenset({910}), 180)


async def forget(ledger: Ledger, number: str = NUMBER) -> int:
    """Forget a number in all batches; return how many of its messages are sending."""
    forgetting, sending = NumberForgetting(ledger.redis, number), 0
    async for view, batch in forgetting.batches(damaged=[]):
        sending += (await forgetting.forget_batch(view, batch)).sending
    return sending


async def test_a_pending_message_is_suppressed_with_its_reason_and_its_data_is_gone(ledger: Ledger) -> None:
    await ledger.submit(5)
    assert await forget(ledger) == 0
    assert await ledger.states() == "pupp" + "p"
    view = await ledger.view()
    assert view.codes == {f"suppressed:{Suppression.FORGOTTEN}": 1}
    message = (await ledger.messages())[1]
    assert (message.to, message.slots, message.line) == ("000000", [""], 3)
    await ledger.send_all()
    assert await ledger.states() == "auaaa"


async def test_a_campaign_of_which_nothing_else_is_pending_is_finished(ledger: Ledger) -> None:
    await ledger.submit(1)
    await forget(ledger, "919800000000")
    assert await ledger.state() is CampaignState.FINISHED


@pytest.mark.parametrize(
    ("letters", "states"), [(b"aaa", "aaa"), (b"iii", "igi"), (b"rrr", "rrr")], ids=["accepted", "in doubt", "rejected"]
)
async def test_a_message_that_left_keeps_its_state_and_one_in_doubt_is_never_sent_again(
    ledger: Ledger, letters: bytes, states: str
) -> None:
    await ledger.submit(3, in_doubt="resend")
    await ledger.leases.release(await ledger.push(letters))
    await forget(ledger)
    assert await ledger.states() == states
    assert [message.to for message in await ledger.messages()] == ["919800000000", "000000", "919800000002"]
    await ledger.end_validity()
    await ledger.maintenance.settle_overdue(SENDER)
    assert (await ledger.states())[1] == states[1]


async def test_a_message_that_waits_to_be_sent_again_is_given_up(ledger: Ledger) -> None:
    await ledger.submit(3, in_doubt="resend")
    await ledger.leases.release(await ledger.push(b"iii"))
    await ledger.end_validity()
    await ledger.maintenance.settle_overdue(SENDER)
    assert await ledger.states() == "ppp"
    await forget(ledger)
    assert await ledger.states() == "pgp"
    assert (await ledger.messages())[1].record.attempt == 0


async def test_a_message_that_is_sending_is_counted_and_ended_by_a_later_call(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    block = await ledger.open(lease)
    forgetting = NumberForgetting(ledger.redis, NUMBER)
    view = await ledger.view()
    assert (await forgetting.forget_batch(view, 0)).sending == 1
    await ledger.record(lease, block, b"apa")
    assert await ledger.states() == "apa"
    assert [message.to for message in await ledger.messages()][1] == NUMBER
    assert (await forgetting.forget_batch(view, 0)).sending == 0
    assert await ledger.states() == "aua"
    assert [message.to for message in await ledger.messages()][1] == "000000"


async def test_values_of_other_messages_lose_the_number_once_they_cannot_be_sent(ledger: Ledger) -> None:
    await ledger.submit(3)
    key = f"{campaign_key(SENDER, CAMPAIGN)}:p:0"
    batch = msgspec.structs.replace(recipients(0, 3), slots=[["call 9800000009", "x", "call +919800000009 now"]])
    await ledger.redis.set(key, pack_recipients(batch))
    lease = await ledger.take()
    forgetting, view = NumberForgetting(ledger.redis, "919800000009"), await ledger.view()
    forgotten = await forgetting.forget_batch(view, 0)
    assert (forgotten.others, forgotten.kept, forgotten.messages) == (0, 2, [])
    await ledger.record(lease, await ledger.open(lease), b"rrr")
    forgotten = await forgetting.forget_batch(await ledger.view(), 0)
    assert (forgotten.others, forgotten.kept) == (2, 0)
    assert [message.slots for message in await ledger.messages()] == [[""], ["x"], [""]]


async def test_the_script_changes_nothing_if_the_recipients_were_changed_meanwhile(ledger: Ledger) -> None:
    await ledger.submit(3)
    before = await ledger.dump()
    reply = await Script(ledger.redis, "forget_messages")(
        SENDER,
        campaign=CAMPAIGN,
        batch_number=0,
        digest="0" * 40,
        recipients=b"x",
        fingerprints=b"",
        code=35,
        indexes=b"\0\1",
        blanked=b"",
    )
    assert (reply["is_changed"], await ledger.dump() == before) == (1, True)


async def test_a_damaged_batch_is_named_and_others_are_forgotten(ledger: Ledger) -> None:
    await ledger.submit(3)
    view = await ledger.view()
    kept = await ledger.redis.get(f"{campaign_key(SENDER, CAMPAIGN)}:p:0")
    await ledger.redis.set(f"{campaign_key(SENDER, CAMPAIGN)}:p:0", b"damaged")
    with pytest.raises(CampaignDamaged):
        await NumberForgetting(ledger.redis, NUMBER).forget_batch(view, 0)
    await ledger.redis.set(f"{campaign_key(SENDER, CAMPAIGN)}:p:0", kept or b"")


async def test_everything_else_that_the_ledger_remembers_of_the_number_goes(ledger: Ledger) -> None:
    await ledger.redis.sadd("senders", SENDER)
    await DeadNumbers(ledger.redis, RULE).add({NUMBER: 910, "919800000002": 910})
    await SendTestReports(ledger.redis).remember_number(7, NUMBER)
    await SendTestReports(ledger.redis).remember_number(8, "919800000002")
    await ledger.redis.hset(f"{hash_tag(SENDER)}:recent_phones:5:9198000", mapping={"00001": "x", "00002": "y"})
    waiting = {f"event about {number}".encode(): at for at, number in enumerate((NUMBER, "919800000002"))}
    await ledger.redis.zadd(lane_keys()[0], waiting)
    assert await NumberForgetting(ledger.redis, NUMBER).forget_index_entries(RULE) == 4
    assert await ledger.redis.zrange(lane_keys()[0], 0, -1) == [b"event about 919800000002"]
    assert await DeadNumbers(ledger.redis, RULE).find(NUMBER) is None
    assert await DeadNumbers(ledger.redis, RULE).find("919800000002")
    assert await SendTestReports(ledger.redis).numbers([7, 8]) == ["", "919800000002"]
    assert await ledger.redis.hkeys(f"{hash_tag(SENDER)}:recent_phones:5:9198000") == [b"00002"]
    assert await NumberForgetting(ledger.redis, NUMBER).forget_index_entries(RULE) == 0


def test_a_number_of_india_is_searched_without_its_country_code_too() -> None:
    assert spellings("919876543210") == ("9876543210",)
    assert spellings("4915112345678") == ("4915112345678",)
