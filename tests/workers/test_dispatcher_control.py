"""A command acts on a worker that waits, long before the wait would end."""

import asyncio

from tests.kit.workers import SENDER, WorkerRig, answer, until
from times_dispatch.ledger.states import MessageState


async def test_a_rate_that_is_raised_acts_on_a_worker_that_waits_for_a_slot(rig: WorkerRig) -> None:
    await rig.submit(5)
    async with rig.worker(rates={SENDER: 0.02}) as worker:
        await rig.issue(worker)
        await until(lambda: len(rig.provider.ids) == 1)
        await asyncio.sleep(0.2)  # by now it waits for its next slot, in 50 seconds
        await rig.control.set_rate(SENDER, 20)
        await until(lambda: len(rig.provider.ids) >= 2, within_s=20)
        await worker.quiet()


async def test_a_sender_that_is_resumed_while_it_backs_off_goes_on_before_the_back_off_ends(rig: WorkerRig) -> None:
    await rig.submit(3)
    rig.provider.reply = lambda _: answer({}, 429, **{"Retry-After": "60"})
    async with rig.worker() as worker:
        await rig.issue(worker)
        await until(lambda: len(rig.provider.ids) >= 3)
        await until(lambda: _all_are_pending(rig))
        await asyncio.sleep(0.2)
        sent = len(rig.provider.ids)
        rig.provider.reply = lambda _: None
        await rig.control.resume_sender(SENDER)
        await until(lambda: len(rig.provider.ids) > sent, within_s=20)
        await worker.quiet()
    assert await rig.states() == "aaa"


async def _all_are_pending(rig: WorkerRig) -> bool:
    return await rig.count(MessageState.PENDING) == 3
