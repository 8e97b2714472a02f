import asyncio
import time
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.sandbox import BASIC, GOOD, SandboxClient, Start, correlation_id
from times_dispatch.sandbox.faults import AFTER_ACCEPTING, Fault, Faults, FaultTable


async def raw_push(client: SandboxClient, **changes: str) -> bytes:
    """Push over a bare socket; return all bytes up to the end of the connection."""
    body = orjson.dumps({**GOOD, **changes})
    address = urlsplit(client.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = (
        f"POST /ct/api/v1/message HTTP/1.1\r\nHost: x\r\nAuthorization: {BASIC}\r\nContent-Type: application/json\r\n"
    )
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    try:
        return await reader.read()
    finally:
        writer.close()


async def accepted_and_faults(client: SandboxClient) -> tuple[int, dict[str, int]]:
    books = (await client.books())["all"]
    assert books["arrivals"] == 1
    return books["accepted"], books["faults"]


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault.HTTP_429, 429),
        (Fault.HTTP_500, 500),
        (Fault.HTTP_502, 502),
        (Fault.HTTP_503, 503),
        (Fault.HTTP_503_RETRY_AFTER, 503),
        (Fault.HTTP_504, 504),
        (Fault.HTTP_500_AFTER, 500),
    ],
)
async def test_error_pages_come_instead_of_acceptance_or_after_it(start: Start, fault: Fault, status: int) -> None:
    client = await start(faults=Faults(**{fault: 1.0, "retry_after_s": 7}))  # type: ignore[arg-type]
    got, body, headers = await client.push()
    assert got == status
    assert body.startswith(b"<html>")
    assert headers.get("Retry-After") == ("7" if fault in (Fault.HTTP_429, Fault.HTTP_503_RETRY_AFTER) else None)
    assert await accepted_and_faults(client) == (int(fault in AFTER_ACCEPTING), {fault: 1})


@pytest.mark.parametrize(("fault", "accepted"), [(Fault.RESET_BEFORE, 0), (Fault.RESET_AFTER, 1)])
async def test_a_reset_ends_the_connection_without_a_byte(start: Start, fault: Fault, accepted: int) -> None:
    client = await start(faults=Faults(**{fault: 1.0}))  # type: ignore[arg-type]
    with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
        await client.push()
    assert await accepted_and_faults(client) == (accepted, {fault: 1})


async def test_resets_are_of_both_kinds(start: Start) -> None:
    client = await start(faults=Faults(reset_after=1.0))
    ends = set()
    for n in range(20):
        try:
            ends.add(await raw_push(client, corelationid=correlation_id(n)))
        except ConnectionResetError:
            ends.add(b"RST")
    assert ends == {b"", b"RST"}


@pytest.mark.parametrize(("fault", "accepted"), [(Fault.STALL_BEFORE, 0), (Fault.STALL_AFTER, 1)])
async def test_a_stall_holds_the_connection_and_then_drops_it(start: Start, fault: Fault, accepted: int) -> None:
    client = await start(faults=Faults(**{fault: 1.0, "stall_s": 0.15}))  # type: ignore[arg-type]
    began = time.monotonic()
    pushing = asyncio.create_task(client.push())
    await client.until(lambda books: books["all"]["faults"])
    assert await accepted_and_faults(client) == (accepted, {fault: 1})
    with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
        await pushing
    assert time.monotonic() - began >= 0.15


async def test_a_stall_does_not_hold_up_the_end_of_the_sandbox(start: Start) -> None:
    client = await start(faults=Faults(stall_after=1.0, stall_s=60))
    pushing = asyncio.create_task(client.push())
    await client.until(lambda books: books["all"]["faults"])
    pushing.cancel()
    # The fixture cancels the sandbox, because the end of the stall would take a minute.


@pytest.mark.parametrize(("fault", "accepted"), [(Fault.GARBAGE_BEFORE, 0), (Fault.GARBAGE_AFTER, 1)])
async def test_garbage_comes_as_http_200(start: Start, fault: Fault, accepted: int) -> None:
    client = await start(faults=Faults(**{fault: 1.0}))  # type: ignore[arg-type]
    bodies = []
    for n in range(30):
        status, body, _ = await client.push(corelationid=correlation_id(n))
        assert status == 200
        bodies.append(body)
    assert len(set(bodies)) > 3
    assert not any(b"SUBMIT_ACCEPTED" in body for body in bodies)
    assert (await client.books())["all"]["accepted"] == 30 * accepted


async def test_half_a_body_is_cut_off_after_acceptance(start: Start) -> None:
    client = await start(faults=Faults(half_body_after=1.0))
    with pytest.raises(aiohttp.ClientPayloadError):
        await client.push()
    assert await accepted_and_faults(client) == (1, {"half_body_after": 1})
    received = await raw_push(client, corelationid=correlation_id(2))
    head, _, body = received.partition(b"\r\n\r\n")
    promised = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    assert len(body) == promised // 2


async def test_a_push_that_would_be_refused_is_refused_despite_faults_after_accepting(start: Start) -> None:
    client = await start(faults=Faults(reset_after=1.0))
    assert orjson.loads((await client.push(to="1"))[1])["statusCode"] == 2054
    assert await accepted_and_faults(client) == (0, {})


async def test_connections_are_refused_for_a_while_and_then_taken_on_the_same_port(start: Start) -> None:
    client = await start()
    await client.push()
    began = time.monotonic()
    await client.change(refuse_connections_s=0.3)
    refused = 0
    while True:
        try:
            await client.push(corelationid=correlation_id(2))
            break
        except aiohttp.ClientConnectorError:
            refused += 1
    assert refused
    assert 0.25 <= time.monotonic() - began < 20
    assert (await client.books())["all"]["accepted"] == 2


async def test_refusing_closes_idle_connections_and_answers_what_is_on_its_way(start: Start) -> None:
    client = await start(latency_min_ms=150, latency_max_ms=150)
    address = urlsplit(client.url)
    idle, idle_writer = await asyncio.open_connection(address.hostname, address.port)
    pushing = asyncio.create_task(client.push())
    await client.until(lambda books: books["all"]["accepted"])
    await client.change(refuse_connections_s=0.01)
    assert await idle.read() == b""
    assert (await pushing)[0] == 200
    idle_writer.close()


async def test_a_spent_balance_refuses_until_it_is_topped_up(start: Start) -> None:
    client = await start(balance=2)
    codes: list[int] = []

    async def push(text: str) -> None:
        number = len(codes)
        codes.append(orjson.loads((await client.push(text=text, corelationid=correlation_id(number)))[1])["statusCode"])

    await push("one part")
    await push("two parts " * 20)
    await push("one part")
    await push("one part")
    assert codes == [200, 6001, 200, 6001]
    assert (await client.change(top_up=1))["balance"] == 1
    await push("one part")
    assert (await client.change(balance=None))["balance"] is None
    await push("two parts " * 20)
    assert codes[4:] == [200, 200]
    assert (await client.books())["all"]["parts"] == 5


async def test_switches_turn_credentials_and_senders_off_and_on(start: Start) -> None:
    client = await start()

    async def code() -> int:
        return int(orjson.loads((await client.push())[1])["statusCode"])

    await client.change(wrong_credentials=True)
    assert await code() == 2070
    await client.change(wrong_credentials=False, unregistered=["TIMESM"])
    assert await code() == 2051
    await client.change(unregistered=[])
    assert await code() == 200


async def test_a_change_leaves_the_rest_unless_only_it_is_wanted(start: Start) -> None:
    client = await start()
    await client.change(http_500=0.25)
    assert (await client.change(stall_s=3))["http_500"] == 0.25
    _, body, _ = await client.post("/sandbox/faults?only=1", b'{"http_429": 0.5}')
    changed = orjson.loads(body)
    assert (changed["http_429"], changed["http_500"], changed["stall_s"]) == (0.5, 0.0, 20.0)
    assert orjson.loads((await client.get("/sandbox/faults"))[1]) == changed


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"http_500": 2}', b'{"nonsense": 1}', b'{"http_500": 0.6, "http_502": 0.6}', b'{"top_up": 0.5}'],
)
async def test_a_change_that_cannot_be_meant_changes_nothing(start: Start, body: bytes) -> None:
    client = await start(balance=5)
    before = (await client.get("/sandbox/faults"))[1]
    assert (await client.post("/sandbox/faults", body))[0] == 400
    assert (await client.get("/sandbox/faults"))[1] == before


async def test_the_same_seed_hits_the_same_arrivals_in_any_order(start: Start) -> None:
    faults = Faults(http_500=0.3, http_429=0.3)

    async def statuses(client: SandboxClient, numbers: Any) -> dict[int, list[int]]:
        return {n: [(await client.push(corelationid=correlation_id(n)))[0] for _ in range(2)] for n in numbers}

    first = await statuses(await start(faults=faults, seed=7), range(25))
    again = await statuses(await start(faults=faults, seed=7), reversed(range(25)))
    other = await statuses(await start(faults=faults, seed=8), range(25))
    assert first == again
    assert first != other
    assert {status for pair in first.values() for status in pair} == {200, 429, 500}
    assert any(once != twice for once, twice in first.values())


@given(st.floats(0, 1, exclude_max=True), st.lists(st.floats(0, 1 / len(Fault)), min_size=14, max_size=14))
def test_each_fault_gets_its_share_of_the_draws(draw: float, shares: list[float]) -> None:
    faults = msgspec.convert({fault.value: share for fault, share in zip(Fault, shares, strict=True)}, Faults)
    below = 0.0
    expected = None
    for fault, share in zip(Fault, shares, strict=True):
        if below <= draw < below + share:
            expected = fault
        below += share
    assert FaultTable(faults).choose(draw) == expected


def test_all_draws_hit_when_shares_fill_everything() -> None:
    table = FaultTable(Faults(reset_before=0.5, http_500_after=0.5))
    assert table.choose(0.0) == Fault.RESET_BEFORE
    assert table.choose(0.5) == Fault.HTTP_500_AFTER
    assert table.choose(1 - 2**-32) == Fault.HTTP_500_AFTER
