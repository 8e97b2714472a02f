import asyncio
import socket
from typing import Any

import pytest

from tests.kit.sandbox import ReportReceiver, SandboxClient, Start, correlation_id
from tests.kit.waiting import eventually
from times_dispatch.sandbox import ReportsConfig
from times_dispatch.sandbox.faults import Faults

PLAIN = {
    "delay_min_ms": 0,
    "delay_max_ms": 0,
    "failed": 0.0,
    "early": 0.0,
    "duplicated": 0.0,
    "clicked": 0.0,
    "replied": 0.0,
    "batch_wait_ms": 10,
    "backoff_ms": 10,
    "backoff_max_ms": 20,
}


def plain(receiver: ReportReceiver, **changes: Any) -> ReportsConfig:
    return ReportsConfig(url=receiver.url, **{**PLAIN, **changes})


async def push(client: SandboxClient, count: int) -> None:
    for n in range(count):
        await client.push(corelationid=correlation_id(n))


async def test_an_accepted_message_is_reported_and_booked_as_reported(start: Start, receiver: ReportReceiver) -> None:
    client = await start(reports=plain(receiver))
    await client.push()
    await eventually(lambda: bool(receiver.rows))
    await client.flush()
    ((event, row),) = receiver.rows
    assert (event, row["meta"]) == ("delivered", (await client.accepted())[0]["id"])
    assert (await client.accepted())[0]["event"] == "delivered"
    assert (await client.books())["all"]["reports"]["posted"] == {"delivered": 1}


async def test_reports_that_are_held_are_posted_afterwards(start: Start, receiver: ReportReceiver) -> None:
    client = await start(reports=plain(receiver, early=1.0), faults=Faults(reports_held=True))
    await push(client, 3)
    for _ in range(20):  # reports that are not held would be posted meanwhile
        assert (await client.books())["reports"]["pending"] == 3
    assert receiver.bodies == []
    await client.change(reports_held=False)
    await eventually(lambda: len(receiver.rows) == 3)


async def test_a_refused_message_is_not_reported(start: Start, receiver: ReportReceiver) -> None:
    client = await start(reports=plain(receiver))
    await client.push(to="1")
    assert (await client.flush())["reports"]["pending"] == 0
    assert receiver.bodies == []


async def test_a_flush_posts_in_batches_whatever_is_pending(start: Start, receiver: ReportReceiver) -> None:
    client = await start(reports=plain(receiver, delay_min_ms=60_000, delay_max_ms=60_000, batch_max=4))
    await push(client, 10)
    assert (await client.books())["reports"]["pending"] == 10
    books = await client.flush()
    assert books["reports"]["pending"] == 0
    assert sorted(len(group["data"]) for body in receiver.bodies for group in body) == [2, 4, 4]
    assert {row["meta"] for _, row in receiver.rows} == {correlation_id(n) for n in range(10)}


async def test_a_post_is_repeated_after_503_until_it_is_taken(start: Start, receiver: ReportReceiver) -> None:
    receiver.statuses = [503, 500, 502]
    client = await start(reports=plain(receiver))
    await client.push()
    posts = (await client.flush())["reports"]["posts"]
    assert posts == {"acknowledged": 1, "repeated": 3, "refused": 0, "exhausted": 0, "rows_lost": 0}
    assert len(receiver.bodies) == 4
    assert (await client.accepted())[0]["delivered"] == 1


@pytest.mark.parametrize("status", [400, 404, 413, 429, 302])
async def test_a_post_is_never_repeated_after_a_4xx(start: Start, receiver: ReportReceiver, status: int) -> None:
    receiver.statuses = [status]
    client = await start(reports=plain(receiver))
    await client.push()
    posts = (await client.flush())["reports"]["posts"]
    assert posts == {"acknowledged": 0, "repeated": 0, "refused": 1, "exhausted": 0, "rows_lost": 1}
    assert len(receiver.bodies) == 1
    assert (await client.accepted())[0]["event"] == ""


async def test_refused_posts_are_logged_once_a_second(
    start: Start, receiver: ReportReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.statuses = [404] * 6
    client = await start(reports=plain(receiver, batch_max=1))
    await push(client, 6)
    await client.flush()
    await eventually(lambda: "lines=5" in caplog.text)
    assert [record.getMessage() for record in caplog.records if record.name.endswith("poster")] == [
        'event="the receiver refused reports" status=404 rows=1',
        'event="the receiver refused reports" status=404 rows=5 lines=5',
    ]


async def test_a_post_is_given_up_after_its_last_repetition(start: Start, receiver: ReportReceiver) -> None:
    receiver.statuses = [503] * 10
    client = await start(reports=plain(receiver, retries=2))
    await client.push()
    posts = (await client.flush())["reports"]["posts"]
    assert posts == {"acknowledged": 0, "repeated": 2, "refused": 0, "exhausted": 1, "rows_lost": 1}
    assert len(receiver.bodies) == 3


async def test_a_receiver_that_is_away_gets_its_reports_when_it_is_back(start: Start, receiver: ReportReceiver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    client = await start(reports=plain(receiver, retries=200, concurrency=1))
    away = await start(
        reports=ReportsConfig(url=f"http://127.0.0.1:{port}/", **{**PLAIN, "retries": 200})  # type: ignore[arg-type]
    )
    await client.push()
    await away.push()
    await away.until(lambda books: books["reports"]["posts"]["repeated"])
    came = asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"]")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()
        came.set()

    listening = await asyncio.start_server(take, "127.0.0.1", port)
    async with asyncio.timeout(30):
        await came.wait()
        assert (await away.flush())["reports"]["posts"]["acknowledged"] == 1
    listening.close()


async def test_an_early_report_is_answered_before_the_push_is(start: Start, receiver: ReportReceiver) -> None:
    receiver.hold.clear()
    client = await start(reports=plain(receiver, early=1.0))
    pushing = asyncio.create_task(client.push())
    await eventually(lambda: bool(receiver.rows))
    assert (await client.books())["all"]["accepted"] == 1
    assert not pushing.done()
    receiver.hold.set()
    assert (await pushing)[0] == 200
    assert (await client.accepted())[0]["delivered"] == 1


async def test_an_early_report_that_is_not_taken_goes_the_ordinary_way(start: Start, receiver: ReportReceiver) -> None:
    receiver.statuses = [503]
    client = await start(reports=plain(receiver, early=1.0))
    assert (await client.push())[0] == 200
    assert (await client.flush())["reports"]["posts"]["acknowledged"] == 1
    assert len(receiver.bodies) == 2


async def test_reports_come_reordered_and_duplicated(start: Start, receiver: ReportReceiver) -> None:
    client = await start(reports=plain(receiver, duplicated=1.0, delay_max_ms=200, batch_max=3))
    await push(client, 12)
    await eventually(lambda: len(receiver.rows) == 24)
    order = [row["meta"] for _, row in receiver.rows]
    assert sorted(order) == sorted([correlation_id(n) for n in range(12)] * 2)
    assert order != sorted(order)
    await client.flush()
    books = (await client.books())["all"]["reports"]
    assert (books["distinct"], books["posted"]) == ({"delivered": 12}, {"delivered": 24})


async def test_forged_and_foreign_rows_are_posted_and_booked_apart(start: Start, receiver: ReportReceiver) -> None:
    client = await start(reports=plain(receiver, forged=1.0, foreign=1.0))
    await push(client, 5)
    books = await client.flush()
    assert books["reports"]["unknown_reports"] == {"forged": 5, "foreign": 5}
    assert books["all"]["reports"]["distinct"] == {"delivered": 5}
    assert len(receiver.rows) == 15


async def test_no_more_posts_run_at_once_than_allowed(start: Start, receiver: ReportReceiver) -> None:
    receiver.hold.clear()
    client = await start(reports=plain(receiver, delay_min_ms=60_000, delay_max_ms=60_000, batch_max=1, concurrency=2))
    await push(client, 6)
    flushing = asyncio.create_task(client.flush())
    await eventually(lambda: len(receiver.bodies) == 2)
    assert (await client.books())["reports"]["pending"] == 6
    assert len(receiver.bodies) == 2
    receiver.hold.set()
    assert (await flushing)["reports"]["pending"] == 0
    assert len(receiver.bodies) == 6
