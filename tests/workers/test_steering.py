"""What people change while a worker waits acts within a second of being said."""

import asyncio

from tests.workers.conftest import SENDER, House, answer, until
from times_dispatch.ledger.states import MessageState


async def test_a_rate_that_is_raised_acts_within_a_second(house: House) -> None:
    await house.submit(5)
    async with house.worker(rates={SENDER: 0.1}) as worker:
        await house.issue(worker)
        await until(lambda: len(house.gateway.ids) == 1)
        await asyncio.sleep(0.2)  # by now it waits for its next slot, in ten seconds
        await house.control.set_rate(SENDER, 20)
        await until(lambda: len(house.gateway.ids) >= 2, within_s=1)
        await worker.quiet()


async def test_a_sender_that_is_resumed_while_it_backs_off_goes_on_within_a_second(house: House) -> None:
    await house.submit(3)
    house.gateway.reply = lambda _: answer({}, 429, **{"Retry-After": "60"})
    async with house.worker() as worker:
        await house.issue(worker)
        await until(lambda: len(house.gateway.ids) >= 3)
        await until(lambda: _all_are_pending(house))
        await asyncio.sleep(0.2)
        sent = len(house.gateway.ids)
        house.gateway.reply = lambda _: None
        await house.control.resume_sender(SENDER)
        await until(lambda: len(house.gateway.ids) > sent, within_s=1)
        await worker.quiet()
    assert await house.states() == "aaa"


async def _all_are_pending(house: House) -> bool:
    return await house.count(MessageState.PENDING) == 3
