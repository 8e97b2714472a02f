"""Whom nothing is pushed to, although the batch holds a message for them."""

import asyncio

import pytest
from redis.exceptions import ConnectionError as RedisAway

from campaigns.optouts import OptOuts
from campaigns.states import CampaignState, MessageState
from tests.workers.conftest import CAMPAIGN, SENDER, House, until
from timesmobile.failures import Failure, NotSent
from workers.screen import Screen


def number(row: int) -> str:
    return f"9198{row:08}"


async def test_who_opted_out_between_submit_and_opening_is_suppressed_and_nobody_else(house: House) -> None:
    await house.submit(5)
    await OptOuts(house.redis).add([number(1), number(4)])
    worker = await house.send()
    assert await house.states() == "auaau"
    assert [push.to for push in house.gateway.arrived] == [number(0), number(2), number(3)]
    view = await house.view()
    assert (view.state, view.codes) == (CampaignState.FINISHED, {"suppressed:31": 2})
    assert [message.record.code for message in await house.messages()] == [200, 31, 200, 200, 31]
    assert worker.ended == ["done"]


async def test_a_batch_of_which_all_are_suppressed_ends_without_a_push(house: House) -> None:
    await house.submit(250, rate_per_s=0.0)
    await OptOuts(house.redis).add([number(row) for row in range(250)])
    await house.send(rates={SENDER: 5_000.0})
    assert await house.count(MessageState.SUPPRESSED) == 250
    assert house.gateway.arrived == []
    assert (await house.view()).state is CampaignState.FINISHED


async def test_what_was_suppressed_at_submit_is_not_pushed_whatever_the_list_says_now(house: House) -> None:
    await house.submit(4, opted_out=[0, 3])
    await house.send()
    assert await house.states() == "uaau"
    assert len(house.gateway.arrived) == 2


async def test_who_opts_out_while_the_process_runs_is_suppressed_within_a_second_or_so(house: House) -> None:
    await house.submit(1)
    async with house.worker() as worker:
        await house.issue(worker)
        await worker.quiet()  # now it believes that the list is empty
        await OptOuts(house.redis).add([number(0)])
        await asyncio.sleep(1.1)
        await house.submit(1, campaign="diwali02", text="Dear {#var#}!")
        await house.issue(worker)
        await worker.quiet()
    assert [push.text for push in house.gateway.arrived] == ["Dear name 0"]


async def test_nothing_is_pushed_while_the_ledger_does_not_say_who_opted_out(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.submit(3)
    await OptOuts(house.redis).add([number(1)])
    answers = Screen.opted_out
    away_until = asyncio.get_running_loop().time() + 1.2

    async def away_for_a_while(self: Screen, numbers: list[str]) -> list[bool]:
        if asyncio.get_running_loop().time() < away_until:
            raise RedisAway("away")
        return await answers(self, numbers)

    monkeypatch.setattr(Screen, "opted_out", away_for_a_while)
    async with house.worker() as worker:
        await house.issue(worker)
        await asyncio.sleep(0.9)
        assert house.gateway.arrived == []
        await worker.quiet()
    assert worker.ended == ["done"]
    assert await house.states() == "aua"
    assert len(house.gateway.arrived) == 2


async def test_what_waits_for_the_ledger_at_a_stop_goes_back_unsent(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.submit(3)
    asked = asyncio.Event()

    async def away(self: Screen, numbers: list[str]) -> list[bool]:
        asked.set()
        raise RedisAway("away")

    monkeypatch.setattr(Screen, "opted_out", away)
    async with house.worker(grace_s=0.1) as worker:
        (ref,) = await house.issue(worker)
        await asked.wait()
    assert house.gateway.arrived == []
    await house.run_out(ref)
    # Nobody could write that they were never begun.
    assert set(await house.states()) <= {"p", "i"}


async def test_a_suppressed_message_ends_no_backing_off(house: House) -> None:
    await house.submit(2, batch_size=1)
    await OptOuts(house.redis).add([number(1)])
    house.gateway.script(*[NotSent(Failure.REFUSED)] * 3)
    async with house.worker() as worker:
        await house.issue(worker)
        await until(lambda: len(house.gateway.arrived) == 2)
        assert int(await house.redis.hget(f"{{{SENDER}}}:pace", "hold_n") or 0) >= 1
        assert await house.states() in {"pu", "su", "pp", "sp"}
        await worker.quiet(20)
    assert await house.states() == "au"


async def test_no_number_reaches_the_log_or_the_bells(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    await house.submit(3)
    await OptOuts(house.redis).add([number(1)])
    await house.send()
    said = capsys.readouterr()
    assert number(1) not in said.out + said.err + repr(house.rung)
    assert CAMPAIGN in said.out + said.err
