"""Messages to one number over all campaigns of a sender: which are suppressed, which wait, and which may be sent."""

from collections.abc import Sequence

import pytest

from tests.kit.frequency import (
    HALF_AN_HOUR,
    ONE_A_DAY,
    TEXT,
    TWO_A_DAY,
    SendingCampaign,
    check_of,
    period_start,
    sending,
)
from tests.kit.ledger import PROVIDER, SENDER, Ledger
from tests.kit.redis_memory import memory_of_keys
from times_dispatch.ledger.errors import LeaseLost
from times_dispatch.ledger.frequency_cap import FrequencyCheck, FrequencyLimit, fingerprint, text_digest
from times_dispatch.ledger.keys import BatchKey, batch_key, campaign_key, hash_tag
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.openings import BatchClosed, Block, Drained, Outside, new_operation
from times_dispatch.ledger.protocol import CloseReason, ControlAction
from times_dispatch.ledger.scripts import text

RECENT_TEXTS = f"{hash_tag(SENDER)}:recent_texts"
COPY_ON_ITS_WAY = BatchClosed(CloseReason.COPY_ON_ITS_WAY)


async def test_the_same_text_to_the_same_number_from_another_campaign_is_suppressed(ledger: Ledger) -> None:
    first, second = await sending(ledger, "diwali01"), await sending(ledger, "diwali02", 4)
    assert await first.send() == "aaa"
    assert await second.send() == "uuua"
    assert (await ledger.view(second.campaign)).codes == {"suppressed:33": 3}
    await second.release()
    await ledger.assert_counters_add_up()


async def test_another_text_or_another_sender_may(ledger: Ledger) -> None:
    first, second = await sending(ledger, "diwali01"), await sending(ledger, "diwali02")
    other = await sending(ledger, "others01", sender="OTHERS")
    await first.send()
    assert await second.send(word="hello") == "aaa"
    assert await other.send() == "aaa"


@pytest.mark.parametrize("first_s", [0, 1, 1799])
@pytest.mark.parametrize(("later_s", "states"), [(0, "uuu"), (1799, "uuu"), (1800, "aaa"), (1801, "aaa")])
async def test_a_text_may_go_again_when_its_time_is_over(
    ledger: Ledger, first_s: int, later_s: int, states: str
) -> None:
    first, second = await sending(ledger, "diwali01"), await sending(ledger, "diwali02")
    began_s = await period_start(ledger) + first_s
    await first.send(at_s=began_s)
    assert await second.send(at_s=began_s + later_s) == states


@pytest.mark.parametrize("repeat_after_s", [86_400, 7 * 86_400])
async def test_a_long_time_is_kept_to_some_seconds(ledger: Ledger, repeat_after_s: int) -> None:
    limit = FrequencyLimit(repeat_after_s)
    first, second, third = [await sending(ledger, f"diwali0{number}") for number in (1, 2, 3)]
    began_s = await period_start(ledger, repeat_after_s) + 12_345
    await first.send(limit, at_s=began_s)
    assert await second.send(limit, at_s=began_s + repeat_after_s - 15) == "uuu"
    assert await third.send(limit, at_s=began_s + repeat_after_s) == "aaa"


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (b"a", "u"),
        (b"r", "s"),
        (b"p", "s"),
        (b"b", "s"),
        (b"u", "s"),
        (b"i", "p"),
        (b"", "p"),
    ],
    ids=["accepted", "rejected", "not sent", "never begun", "suppressed", "in doubt", "sending"],
)
@pytest.mark.parametrize("limit", [HALF_AN_HOUR, ONE_A_DAY, FrequencyLimit(1800, 1, 86_400)])
async def test_the_fate_of_the_copy_decides(
    ledger: Ledger, limit: FrequencyLimit, result: bytes, expected: str
) -> None:
    first, second = await sending(ledger, "diwali01", 1), await sending(ledger, "diwali02", 1)
    block = await first.open(limit)
    if result:
        await ledger.record(first.lease, block, result)
    await second.open(limit)
    assert await second.states() == expected


@pytest.mark.parametrize(
    ("state", "attempt", "expected"),
    [
        (b"d", 0, "u"),
        (b"f", 0, "u"),
        (b"n", 0, "u"),
        (b"g", 0, "u"),
        (b"e", 0, "s"),
        (b"x", 0, "s"),
        (b"p", 0, "s"),
        (b"p", 1, "p"),
        (b"r", 1, "u"),
        (b"e", 1, "u"),
        (b"x", 1, "u"),
        (b"u", 1, "u"),
        (b"s", 1, "p"),
    ],
)
async def test_each_state_of_the_copy_decides(ledger: Ledger, state: bytes, attempt: int, expected: str) -> None:
    first, second = await sending(ledger, "diwali01", 1), await sending(ledger, "diwali02", 1)
    await first.send()
    messages = batch_key(SENDER, first.campaign, BatchKey.MESSAGES, 0)
    await ledger.redis.setrange(messages, 0, state)
    await ledger.redis.setrange(messages, 1, bytes([attempt]))
    await second.open()
    assert await second.states() == expected
    await ledger.redis.flushdb()  # the counters do not count this change


@pytest.mark.parametrize("what", ["records", "campaign", "registry", "damaged"])
@pytest.mark.parametrize("limit", [HALF_AN_HOUR, ONE_A_DAY])
async def test_a_copy_whose_record_is_gone_counts_as_sent(ledger: Ledger, limit: FrequencyLimit, what: str) -> None:
    first, second = await sending(ledger, "diwali01", 1), await sending(ledger, "diwali02", 1)
    await first.send(limit)
    key = campaign_key(SENDER, first.campaign)
    registries = [
        key
        for key in await ledger.redis.keys(f"{hash_tag(SENDER)}:recent_*")
        if await ledger.redis.hexists(key, "campaigns")
    ]
    if what == "registry":
        await ledger.redis.hdel(registries[0], "id:1")
    else:
        await ledger.redis.delete(key if what == "campaign" else f"{key}:m:0")
    if what == "damaged":
        await ledger.redis.lpush(f"{key}:m:0", "nonsense")
    await second.open(limit)
    assert await ledger.redis.getrange(f"{campaign_key(SENDER, second.campaign)}:m:0", 0, 0) == b"u"
    await ledger.redis.flushdb()  # the counters do not count this change


async def test_a_message_that_is_sent_again_is_not_stopped_by_its_own_first_attempt(ledger: Ledger) -> None:
    first, second = await sending(ledger, "diwali01"), await sending(ledger, "diwali02")
    await first.send(results=b"i")
    await first.release()
    await ledger.control.resolve(SENDER, first.campaign, "resend")
    (ref,) = await ledger.issue()
    first.lease = await ledger.take(ref)
    await second.open()
    assert await second.states() == "ppp", "the copies will be sent again"
    assert await first.send(results=b"r") == "ggg"
    await second.release()
    await second.take_again()
    await second.open()
    assert await second.states() == "uuu", "the first attempt may have been sent"


async def test_a_suppressed_message_costs_no_send_time_and_no_part(ledger: Ledger) -> None:
    first = await sending(ledger, "diwali01", 3)
    await first.send()
    second = await sending(ledger, "diwali02", 4, max_parts=1, rate_per_s=1.0)
    assert await second.send() == "uuua"
    assert await ledger.field("parts_out", second.campaign) == "1"


async def test_a_block_of_which_all_are_suppressed_is_empty(ledger: Ledger) -> None:
    first, second = await sending(ledger, "diwali01"), await sending(ledger, "diwali02")
    await first.send()
    block = await second.open()
    assert (block.messages, block.suppressed, block.next_index) == ([], 3, 3)
    assert await ledger.field("first_sent_ms", second.campaign) == ""
    assert await second.open_block() == Drained()


async def test_messages_outside_of_the_stretch_are_not_opened(ledger: Ledger) -> None:
    first = await sending(ledger, "diwali01", 5)
    assert await first.open_block(first=2, last=4) == Outside(0)
    block = await first.open(first=0, last=2)
    assert ([index for index, _ in block.messages], block.next_index) == ([0, 1], 2)
    assert await first.open_block(first=0, last=2) == Outside(2)
    assert await first.send(first=2, last=5) == "ssaaa"


@pytest.mark.parametrize("limit", [HALF_AN_HOUR, FrequencyLimit(1800, 2, 86_400)])
async def test_the_same_operation_gets_the_same_block_and_adds_its_entries_once(
    ledger: Ledger, limit: FrequencyLimit
) -> None:
    first = await sending(ledger, "diwali01")
    operation, check = new_operation(), check_of(first.lease, limit)
    block = await ledger.leases.open_block(first.lease, max_messages=2, operation=operation, check=check)
    before = await ledger.dump()
    for _ in range(3):
        again = await ledger.leases.open_block(first.lease, max_messages=2, operation=operation, check=check)
        assert again == block
    assert await ledger.dump() == before


async def test_a_number_gets_so_many_messages_in_a_period_from_all_campaigns(ledger: Ledger) -> None:
    first, second, third = [await sending(ledger, f"diwali0{number}", number) for number in (1, 2, 3)]
    assert await first.send(TWO_A_DAY) == "a"
    assert await second.send(TWO_A_DAY) == "aa"
    assert await third.send(TWO_A_DAY) == "uaa"
    assert (await ledger.view(third.campaign)).codes == {"suppressed:32": 1}


async def test_an_attempt_in_doubt_that_was_followed_by_another_counts_by_itself(ledger: Ledger) -> None:
    first, second, third = [await sending(ledger, f"diwali0{number}", 1) for number in (1, 2, 3)]
    await first.send(TWO_A_DAY, results=b"i")
    await first.release()
    await ledger.control.resolve(SENDER, first.campaign, "resend")
    (ref,) = await ledger.issue()
    first.lease = await ledger.take(ref)
    block = await first.open(TWO_A_DAY)
    await second.open(TWO_A_DAY)
    assert await second.states() == "p", "one message was sent, and one is being sent"
    await ledger.record(first.lease, block, b"p")
    assert await third.send(TWO_A_DAY) == "a"
    await first.open_block(TWO_A_DAY)
    assert await first.states() == "g"


@pytest.mark.parametrize(("later_s", "states"), [(86_399, "u"), (86_400, "a")])
async def test_messages_older_than_the_period_do_not_count(ledger: Ledger, later_s: int, states: str) -> None:
    began_s = await period_start(ledger, 86_400) + 50_000
    first, second = await sending(ledger, "diwali01", 1), await sending(ledger, "diwali02", 1)
    await first.send(ONE_A_DAY, at_s=began_s)
    assert await second.send(ONE_A_DAY, at_s=began_s + later_s) == states


@pytest.mark.parametrize(("limit", "period_s"), [(HALF_AN_HOUR, 1800), (TWO_A_DAY, 86_400)])
async def test_entries_expire_by_themselves(ledger: Ledger, limit: FrequencyLimit, period_s: int) -> None:
    await (await sending(ledger, "diwali01")).send(limit)
    recent = await ledger.redis.keys(f"{hash_tag(SENDER)}:recent_*")
    assert len(recent) == 2
    for key in recent:
        assert period_s <= await ledger.redis.ttl(key) <= 2 * period_s


async def test_without_a_limit_nothing_is_kept(ledger: Ledger) -> None:
    await (await sending(ledger, "diwali01")).send(FrequencyLimit())
    assert await ledger.redis.keys(f"{hash_tag(SENDER)}:recent_*") == []


async def commands_of(ledger: Ledger, campaign: SendingCampaign) -> int:
    """Open a block, and return how many commands Redis ran for it."""
    await ledger.redis.config_resetstat()
    await campaign.open()
    stats = await ledger.redis.info("commandstats")
    return sum(command["calls"] for name, command in stats.items() if name != "cmdstat_config|resetstat")


async def test_the_commands_of_an_opening_do_not_grow_with_the_campaigns_of_the_text(ledger: Ledger) -> None:
    costs = []
    for number in range(24):
        campaign = await sending(ledger, f"many{number:04}", 4)
        costs.append(await commands_of(ledger, campaign))
        await ledger.record(campaign.lease, Block(1, 0, 0, [(index, 0) for index in range(4)]), b"r")
        await campaign.release()
    assert len(set(costs[3:])) == 1, costs


@pytest.mark.parametrize(("entries", "size_class"), [(0, 0), (255, 0), (256, 1), (4_096, 2), (65_536, 3), (10**7, 4)])
async def test_entries_go_to_the_size_class_that_has_room_and_are_found_there(
    ledger: Ledger, entries: int, size_class: int
) -> None:
    first, second = await sending(ledger, "diwali01"), await sending(ledger, "diwali02")
    began_s = await period_start(ledger)
    registry = f"{RECENT_TEXTS}:{text_digest(TEXT)}:{began_s // 1800}"
    if entries:
        await ledger.redis.hset(registry, mapping={"entries": entries, "campaigns": 1, "id:1": "another1"})
    await first.send(at_s=began_s)
    buckets = [text(key) for key in await ledger.redis.keys(f"{registry}:*")]
    assert {key.split(":")[-2] for key in buckets} == {str(size_class)}
    await ledger.redis.hset(registry, "entries", 10**7)
    assert await second.send(at_s=began_s) == "uuu"


@pytest.mark.slow  # opens 50,000 messages
@pytest.mark.parametrize(("limit", "most"), [(HALF_AN_HOUR, 24), (FrequencyLimit(max_messages=3, period_s=86_400), 80)])
async def test_an_entry_takes_a_few_bytes(ledger: Ledger, limit: FrequencyLimit, most: int) -> None:
    numbers: Sequence[str] = [f"919{number * 7_919 % 10**9:09}" for number in range(50_000)]
    first = await sending(ledger, "diwali01", 50_000)
    await ledger.open(first.lease, max_messages=1)
    before = await memory_of_keys(ledger.redis)
    for index in range(1, 50_000, 500):
        check = FrequencyCheck(
            limit,
            text_digest(TEXT),
            index,
            b"".join(fingerprint(number, "hi") for number in numbers[index : index + 500]),
            " ".join(numbers[index : index + 500]) if limit.max_messages else "",
        )
        await ledger.leases.open_block(first.lease, max_messages=500, operation=new_operation(), check=check)
    taken = await memory_of_keys(ledger.redis) - before
    # The memory for a number depends on how many numbers share a prefix; in this test few numbers do.
    assert taken / len(numbers) < most


async def test_a_worker_without_the_lease_opens_nothing_and_adds_no_entry(ledger: Ledger) -> None:
    first = await sending(ledger, "diwali01")
    await first.release()
    before = await ledger.dump()
    with pytest.raises(LeaseLost):
        await first.open()
    assert await ledger.dump() == before


async def test_a_confirmation_is_asked_by_token_block_state_and_brake(ledger: Ledger) -> None:
    first = await sending(ledger, "diwali01")
    block = await first.open(most=1)

    async def confirm() -> bool:
        return await ledger.leases.confirm_block(first.lease, block, provider=PROVIDER) is not None

    assert await confirm()
    await ledger.control.campaign(SENDER, first.campaign, ControlAction.PAUSE)
    assert not await confirm()
    await ledger.control.campaign(SENDER, first.campaign, ControlAction.RESUME)
    await ledger.control.pause_sender(SENDER)
    assert not await confirm()
    await ledger.control.resume_sender(SENDER)
    await ledger.control.brake_provider(SenderId(SENDER), PROVIDER, "no")
    assert not await confirm()
    await ledger.control.resume_sender(SENDER)
    assert await confirm()
    await ledger.redis.hset(campaign_key(SENDER, first.campaign), "send_window_opens_ms", 1)
    await ledger.close_send_window(campaign=first.campaign)
    assert not await confirm()
    await ledger.close_send_window(campaign=first.campaign, in_ms=60_000)
    assert await confirm()
    await first.open(most=1)
    with pytest.raises(LeaseLost):
        await confirm()


async def test_a_second_attempt_that_a_cap_forbids_is_given_up_because_the_first_may_have_been_sent(
    ledger: Ledger,
) -> None:
    first = await sending(ledger, "diwali01")
    assert await first.send(ONE_A_DAY, results=b"iia") == "iia"
    await first.release()
    assert await ledger.control.resolve(SENDER, first.campaign, "resend") == 2
    await first.take_again()
    assert await first.send(ONE_A_DAY) == "gga"
    view = await ledger.view(first.campaign)
    assert (view.codes["suppressed:32"], view.parts, await ledger.field("parts_out", first.campaign)) == (2, 1, "3")
    assert [message.record.attempt for message in await ledger.messages(first.campaign)] == [0, 0, 0]
