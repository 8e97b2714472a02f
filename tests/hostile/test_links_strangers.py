"""Strangers who send fuzzed paths, endless heads or bodies do no harm to the links process."""

import asyncio
import os
import random
import signal
import time
import tracemalloc
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis.asyncio import Redis

from callbacks.links.application import MAX_OPT_OUTS_A_MINUTE
from callbacks.links.directory import LinkDirectory
from tests.hostile.test_receiver_strangers import connect
from tests.kit.callbacks import SENDER, SETTINGS, Processes, stored
from tests.kit.clock import FakeClock
from tests.kit.links import LINK_KEY, application, serving_links, submit_with_links
from tests.kit.watched import least_stall_ms

_PIECES = (
    *(b"/TIMESM/", b"/stop", b"keUpWKYE5VS", b"..", b"//", b"%00", b"%2e%2e%2f", b"?", b"#", b"@evil.example", b"\\"),
    *(
        b"/callbacks/",
        b"http://evil.example/",
        b"%0d%0aLocation:%20x",
        b"\xe0\xa4\xb8",
        b"\xff",
        b"A" * 300,
        b"/ready/",
    ),
)


async def answer(port: int, request: bytes) -> bytes:
    """Send bytes, and return the beginning of the answer; empty if the connection was closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        async with asyncio.timeout(120):
            return await reader.read(4096)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_no_fuzzed_path_leads_anywhere_or_is_stored(redis: Redis) -> None:
    rng = random.Random(5)
    campaign = await submit_with_links(redis, has_opt_out=True)
    async with serving_links(application(redis)) as client:
        port = client.base_url.port
        assert port
        for _ in range(300):
            path = b"/" + b"".join(rng.choices(_PIECES, k=rng.randint(1, 6)))
            response = await answer(port, b"GET %b HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla\r\n\r\n" % path)
            assert response.split(b" ")[1:2] in ([b"404"], [b"400"]), path
            assert b"location" not in response.lower().partition(b"\r\n\r\n")[0]
        kept = await stored(redis)
        print(f"300 fuzzed paths: 404 or 400 each, {len(kept)} entries stored")  # noqa: T201  # the figure
        assert kept == []
        assert (await client.get(campaign.path(0))).status_code == 302


async def test_a_query_does_not_change_a_link(redis: Redis) -> None:
    campaign = await submit_with_links(redis)
    async with serving_links(application(redis)) as client:
        answers = [
            await client.get(campaign.path(2) + query) for query in ("", "?u=evil", "?url=https://evil.example/")
        ]
    targets = {each.headers["location"] for each in answers}
    print(f"{len(answers)} queries lead to {len(targets)} target")  # noqa: T201  # the figure
    assert targets == {"https://shop.example/sale?u=C3"}


@pytest.mark.parametrize("field", [b"X: " + b"a" * 40_000, b"\r\n".join(b"X%d: a" % number for number in range(300))])
async def test_a_head_that_is_too_long_is_refused(field: bytes, redis: Redis) -> None:
    campaign = await submit_with_links(redis)
    async with serving_links(application(redis)) as client:
        port = client.base_url.port
        assert port
        response = await answer(port, b"GET %b HTTP/1.1\r\n%b\r\n\r\n" % (campaign.path(0).encode(), field))
    print(f"a head with {len(field):,} bytes of fields: {response[:12]!r}")  # noqa: T201  # the figure
    assert response == b"" or response.startswith(b"HTTP/1.1 400")
    assert await stored(redis) == []


async def test_the_body_of_an_opt_out_is_not_read(redis: Redis) -> None:
    campaign = await submit_with_links(redis, has_opt_out=True)
    async with serving_links(application(redis)) as client:
        answered = await client.post(f"{campaign.path(1)}/stop", content=b"x" * 10_000)
    kept = await stored(redis)
    print(f"an opt-out with a body of 10,000 bytes: {sum(map(len, kept)):,} bytes are stored")  # noqa: T201  # the figure
    assert answered.status_code == 200
    assert len(kept) == 1
    assert len(kept[0]) < 500


async def test_opt_outs_by_one_link_cannot_fill_the_stream_of_reports(redis: Redis) -> None:
    campaign = await submit_with_links(redis, has_opt_out=True)
    clock = FakeClock()
    async with serving_links(application(redis, clock=clock)) as client:
        answers = [(await client.post(f"{campaign.path(1)}/stop")).status_code for _ in range(40)]
        other = await client.post(f"{campaign.path(0)}/stop")
    print(f"40 opt-outs by one link: {answers.count(200)} are stored, {answers.count(429)} are refused")  # noqa: T201  # the figure
    assert answers == [200] * MAX_OPT_OUTS_A_MINUTE + [429] * (40 - MAX_OPT_OUTS_A_MINUTE)
    assert other.status_code == 200
    assert len(await stored(redis)) == MAX_OPT_OUTS_A_MINUTE + 1


async def test_long_values_in_targets_take_no_more_memory_than_short_ones(redis: Redis) -> None:
    """The values of 40 batches have 76,000 bytes each, 3 MB in all; the directory may remember half a MB of them."""
    customers = [f"{number:05}" + "x" * 1_895 for number in range(1_600)]
    campaign = await submit_with_links(redis, customers=customers, batch_size=40)
    directory = LinkDirectory(redis, [LINK_KEY], max_text_bytes=500_000)
    cut_bytes = sum(map(len, customers))  # the directory also remembers the values in their stored form
    tracemalloc.start()
    for index in range(0, 1_600, 40):
        link = await directory.find(SENDER, campaign.path(index).rpartition("/")[2])
        assert link
        assert await directory.target(link) == f"https://shop.example/sale?u={customers[index]}"
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"{held:,} bytes are held after clicks in 40 batches with {cut_bytes:,} bytes of values")  # noqa: T201  # the figure
    assert held < cut_bytes + 1_000_000


@pytest.mark.processes
@pytest.mark.alone
async def test_clicks_with_long_headers_at_one_moment_do_not_stall_the_receiver(
    redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    campaign = await submit_with_links(redis)
    user_agent = b"Mozilla " * 3_800
    click = b"GET %b HTTP/1.1\r\nHost: x\r\nUser-Agent: %b\r\n\r\n" % (campaign.path(0).encode(), user_agent)
    settings = f'{SETTINGS}\n[links]\nurl = "go.brand.in"\nwith_receiver = true\n'
    processes = Processes(tmp_path, settings)

    def attack() -> float:
        with ExitStack() as stack:
            connections = [stack.enter_context(connect(url)) for _ in range(190)]
            for connection in connections:
                connection.sendall(click[:-1])
            time.sleep(1)  # the receiver reads all but the last bytes
            watched.forget()
            os.kill(watched.process.pid, signal.SIGSTOP)
            for connection in connections:
                connection.sendall(click[-1:])
            os.kill(watched.process.pid, signal.SIGCONT)
            answers = [connection.recv(12) for connection in connections]
            assert set(answers) == {b"HTTP/1.1 302"}
        return watched.stall_ms

    try:
        watched, url = processes.watched_receiver(redis_url, DISPATCH_LINK_KEY=LINK_KEY.decode())
        stall_ms = await least_stall_ms(attack, max_ms=50)
        watched.check(f"190 clicks with a header of {len(user_agent):,} bytes at one moment", stall_ms=stall_ms)
    finally:
        processes.end()
