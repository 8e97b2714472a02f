from typing import Any

import pytest

from tests.kit.frequency import HALF_AN_HOUR, ONE_A_DAY, TEXT, TWO_A_DAY, period_start, sending
from tests.kit.ledger import SENDER, Ledger
from times_dispatch.ledger.frequency_cap import FrequencyLimit
from times_dispatch.ledger.repetitions import RepetitionCheck, Repetitions

BOTH = FrequencyLimit(repeat_after_s=1_800, max_messages=2, period_s=86_400)
PHONES = [f"9198{index:08}" for index in range(4)]


async def found(ledger: Ledger, limit: FrequencyLimit, *, at_s: float, text: str = TEXT, word: str = "hi") -> Any:
    check = RepetitionCheck(ledger.redis, SENDER, text, limit, at_s=at_s)
    before = await ledger.dump()
    is_needed = await check.is_needed()
    await check.add(PHONES, [word] * len(PHONES))
    assert await ledger.dump() == before
    assert is_needed or not any(check.counts)
    return check.counts if is_needed else None


async def test_messages_whose_text_went_to_their_numbers_lately_are_counted(ledger: Ledger) -> None:
    now_s = await period_start(ledger)
    first = await sending(ledger, "first001", 3)
    await first.send(at_s=now_s, results=b"aar")
    await first.release()
    assert await found(ledger, HALF_AN_HOUR, at_s=now_s + 60) == Repetitions(same_text=2)
    assert await found(ledger, HALF_AN_HOUR, at_s=now_s + 60, word="ho") == Repetitions()
    assert await found(ledger, HALF_AN_HOUR, at_s=now_s + 1_801) == Repetitions()


async def test_a_text_that_nobody_sent_needs_no_look_at_the_messages(ledger: Ledger) -> None:
    now_s = await period_start(ledger)
    assert await found(ledger, BOTH, at_s=now_s) is None
    first = await sending(ledger, "first001", 3)
    await first.send(at_s=now_s)
    await first.release()
    assert await found(ledger, HALF_AN_HOUR, at_s=now_s + 60, text="Other {#var#}") is None
    assert await found(ledger, HALF_AN_HOUR, at_s=now_s + 86_400) is None
    assert await found(ledger, FrequencyLimit(), at_s=now_s) is None


@pytest.mark.parametrize(("limit", "too_many"), [(ONE_A_DAY, 3), (TWO_A_DAY, 0)])
async def test_numbers_that_had_as_many_messages_as_they_may_get_are_counted(
    ledger: Ledger, limit: FrequencyLimit, too_many: int
) -> None:
    now_s = await period_start(ledger)
    first = await sending(ledger, "first001", 3)
    await first.send(limit, at_s=now_s)
    await first.release()
    assert await found(ledger, limit, at_s=now_s + 60) == Repetitions(too_many=too_many)


async def test_messages_wait_for_earlier_ones_that_are_still_being_sent(ledger: Ledger) -> None:
    now_s = await period_start(ledger)
    first = await sending(ledger, "first001", 3)
    block = await first.open(at_s=now_s)
    assert await found(ledger, HALF_AN_HOUR, at_s=now_s + 60) == Repetitions(undecided=3)
    await ledger.record(first.lease, block, b"a")
    await first.release()


async def test_more_messages_than_one_call_takes_are_counted(ledger: Ledger) -> None:
    now_s = await period_start(ledger)
    first = await sending(ledger, "first001", 3)
    await first.send(at_s=now_s)
    await first.release()
    check = RepetitionCheck(ledger.redis, SENDER, TEXT, HALF_AN_HOUR, at_s=now_s + 60)
    phones = [*[f"9197{index:08}" for index in range(1_200)], *PHONES]
    await check.add(phones, ["hi"] * len(phones))
    assert check.counts == Repetitions(same_text=3)
