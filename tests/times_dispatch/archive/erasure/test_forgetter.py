import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.kit.archive import KEYS, files_in
from tests.kit.clock import FakeClock
from tests.kit.ledger import CAMPAIGN, SENDER, Ledger, recipients
from tests.kit.waiting import eventually
from times_dispatch.archive.erasure.forgetter import Forgetter
from times_dispatch.archive.erasure.sealing import Sealing
from times_dispatch.archive.errors import ArchiveError, ForgettingUnfinished
from times_dispatch.archive.folder import ArchiveFolder
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.numbers.dead_numbers import DeadNumberRule
from times_dispatch.ledger.numbers.forgotten_numbers import ForgottenNumbers
from times_dispatch.ledger.numbers.opt_outs import Listed, OptOuts

NUMBER = "919800000001"
KEY = b"the key of forgotten numbers"


async def no_dead_letters(number: str, *, deletes: bool) -> list[bytes]:
    return []


def forgetter(redis: Redis, folder: Path, *, wait_s: float = 10.0, clock: Clock = SYSTEM_CLOCK) -> Forgetter:
    return Forgetter(
        redis,
        ForgottenNumbers(redis, KEY),
        Sealing(redis, ArchiveFolder(str(folder)), KEYS),
        dead_letters=no_dead_letters,
        dead_numbers=DeadNumberRule(),
        keep_s=86_400,
        actor="asha@host",
        wait_s=wait_s,
        clock=clock,
    )


async def test_a_push_that_is_under_way_is_waited_for_and_nothing_is_sent_after_it(
    redis: Redis, tmp_path: Path
) -> None:
    ledger = Ledger(redis)
    await ledger.submit(3)
    lease = await ledger.take()
    block = await ledger.open(lease)
    clock = FakeClock()
    forgetting = asyncio.create_task(forgetter(redis, tmp_path, clock=clock).forget(NUMBER))
    await eventually(lambda: clock.slept)
    assert (await OptOuts(redis).contains([NUMBER]))[0]
    await ledger.record(lease, block, b"apa")  # the provider was busy, so the message would be sent again
    await clock.advance(clock.slept[0])
    result = await forgetting
    assert (result.messages, result.sealed) == (1, 1)
    assert await ledger.states() == "aua"
    assert [message.to for message in await ledger.messages()][1] == "000000"
    assert await OptOuts(redis).contains([NUMBER, "000000"]) == [Listed.NOT_LISTED, Listed.OPTED_OUT]
    await ledger.assert_counters_add_up()


async def test_a_push_that_does_not_end_leaves_the_number_suppressed_until_the_next_call(
    redis: Redis, tmp_path: Path
) -> None:
    ledger = Ledger(redis)
    await ledger.submit(3)
    lease = await ledger.take()
    block = await ledger.open(lease)
    with pytest.raises(ForgettingUnfinished, match="run the command again"):
        await forgetter(redis, tmp_path, wait_s=0).forget(NUMBER)
    assert (await OptOuts(redis).contains([NUMBER]))[0]
    await ledger.record(lease, block, b"aia")
    await forgetter(redis, tmp_path).forget(NUMBER)
    assert await ledger.states() == "aga"
    assert not (await OptOuts(redis).contains([NUMBER]))[0]


async def test_a_folder_that_cannot_be_written_deletes_nothing_and_suppresses_the_number(
    redis: Redis, tmp_path: Path
) -> None:
    ledger = Ledger(redis)
    await ledger.submit(3)
    (tmp_path / "file").write_text("")
    with pytest.raises(ArchiveError):
        await forgetter(redis, tmp_path / "file" / "archive").forget(NUMBER)
    assert [message.to for message in await ledger.messages()][1] == NUMBER
    assert (await OptOuts(redis).contains([NUMBER]))[0]
    await forgetter(redis, tmp_path).forget(NUMBER)
    assert len(files_in(tmp_path / "file")) == 0


async def test_a_batch_that_a_submit_stores_meanwhile_is_found_too(redis: Redis, tmp_path: Path) -> None:
    ledger = Ledger(redis)
    await ledger.submit(3, sealed=False)
    clock = FakeClock()
    forgetting = asyncio.create_task(forgetter(redis, tmp_path, clock=clock).forget("919800000004"))
    await eventually(lambda: clock.slept)
    await ledger.submissions.add_batch(CAMPAIGN, SENDER, 1, recipients(3, 3))
    await ledger.submissions.seal(CAMPAIGN, SENDER, total=6, batches=2)
    await clock.advance(clock.slept[0])
    await forgetting
    assert await ledger.states() == "pppp" + "up"
