import asyncio
import logging
import time
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.kit.scripted_server import ACCEPTED, ScriptedConnection, accept_all, hold, serving
from tests.kit.waiting import loop_turns
from times_dispatch.provider.client import Client
from times_dispatch.provider.description.provider import Provider, timesmobile_get, timesmobile_post
from times_dispatch.provider.failures import TOO_LATE
from times_dispatch.provider.http.connection import MAX_BODY_BYTES, MAX_BODY_PIECES
from times_dispatch.provider.http.transport import ProviderTransport
from times_dispatch.provider.outcomes import Verdict
from times_dispatch.provider.push import Push
from times_dispatch.provider.request.payload import Payload


def provider(url: str, preset: Callable[..., Provider] = timesmobile_post, **settings: Any) -> Provider:
    return preset(nickname="tm", username="user", password="hush", endpoint=url, **settings)


def message(correlation_id: str = "c1") -> Push:
    return Push(
        to="+919876543210",
        text="Hi & नमस्ते",
        sender="TIMESM",
        content_id="1",
        correlation_id=correlation_id,
        unicode=True,
    )


class Sending:
    """A transport with the payload of its provider."""

    def __init__(self, described: Provider) -> None:
        self.payload = Payload(described)
        self.transport = ProviderTransport(described)

    async def push(self, correlation_id: str = "c1") -> httpx.Response:
        return await self.transport.handle_async_request(self.payload.request(message(correlation_id)))


@asynccontextmanager
async def sending(described: Provider) -> AsyncIterator[Sending]:
    sender = Sending(described)
    async with sender.transport:
        yield sender


async def test_a_post_is_on_the_wire_as_described() -> None:
    async with serving(accept_all) as server, sending(provider(server.url)) as sender:
        response = await sender.push()
    (received,) = server.received
    assert received.line == "POST /ct/api/v1/message HTTP/1.1"
    assert received.headers == {
        "Content-Type": "application/JSON",
        "Accept": "application/JSON",
        "Accept-Encoding": "identity",
        "Authorization": "Basic dXNlcjpodXNo",
        "User-Agent": "times-dispatch",
        "Host": f"127.0.0.1:{server.port}",
        "Content-Length": str(len(received.body)),
    }
    assert received.body == sender.payload.encode(message())
    assert (response.status_code, await response.aread()) == (200, ACCEPTED)


async def test_a_get_is_on_the_wire_as_described() -> None:
    async with serving(accept_all) as server, sending(provider(server.url, timesmobile_get)) as sender:
        await sender.push()
    (received,) = server.received
    query = sender.payload.encode(message()).decode()
    assert "to=%2B919876543210&text=Hi%20%26%20%E0%A4%A8" in query
    assert received.line == f"GET /ct/api/v1/message?{query} HTTP/1.1"
    assert received.headers == {
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "User-Agent": "times-dispatch",
        "Host": f"127.0.0.1:{server.port}",
    }
    assert received.body == b""


async def test_a_response_is_a_whole_httpx_response() -> None:
    async def answer(connection: ScriptedConnection) -> None:
        await connection.request()
        await connection.answer(status="503 Busy", headers="Retry-After: 7\r\nX-A: 1\r\nX-A: 2\r\n")

    async with serving(answer) as server, sending(provider(server.url)) as sender:
        response = await sender.push()
    assert isinstance(response, httpx.Response)
    assert response.headers["retry-after"] == "7"
    assert response.headers.get_list("x-a") == ["1", "2"]
    assert response.json()["statusCode"] == 200
    assert response.is_server_error
    with pytest.raises(AttributeError):
        response.no_such_thing  # type: ignore[attr-defined]  # noqa: B018


async def test_the_transport_carries_any_httpx_request() -> None:
    async with (
        serving(accept_all) as server,
        httpx.AsyncClient(transport=ProviderTransport(provider(server.url)), trust_env=False) as client,
    ):
        response = await client.post(server.url, params={"a": "b c"}, json={"x": 1}, headers={"X-Y": "z"})
    assert response.json()["state"] == "SUBMIT_ACCEPTED"
    (received,) = server.received
    assert received.line == "POST /ct/api/v1/message?a=b+c HTTP/1.1"
    assert received.headers["X-Y"] == "z"
    assert received.body == b'{"x":1}'


async def test_a_connection_can_be_tried_without_a_request() -> None:
    async with serving(accept_all) as server, sending(provider(server.url)) as sender:
        assert await sender.transport.can_connect()
        assert server.received == []
        port = server.port
    async with sending(provider(f"http://127.0.0.1:{port}/ct", connect_timeout_s=2.0)) as sender:
        assert not await sender.transport.can_connect()


async def test_connections_are_kept_alive() -> None:
    async with serving(accept_all) as server, sending(provider(server.url)) as sender:
        for _ in range(20):
            await sender.push()
    assert (len(server.received), server.connections) == (20, 1)


async def test_an_idle_connection_is_closed_from_our_side() -> None:
    async def answer_and_wait(connection: ScriptedConnection) -> None:
        await connection.request()
        await connection.answer()
        await connection.client_gone()

    async with serving(answer_and_wait) as server:
        described = Provider(
            nickname="tm",
            method="POST",
            endpoint=server.url,
            encoding="json",
            payload=(("to", "$$To"), ("text", "$$Body")),
            keep_idle_s=0.1,
        )
        async with sending(described) as sender:
            await sender.push()
            await asyncio.wait_for(server.closed_by_client.wait(), 30)
            await sender.push()
    assert server.connections == 2


async def test_no_more_requests_are_under_way_than_allowed() -> None:
    under_way = max_under_way = 0
    gate = asyncio.Semaphore(0)

    async def count(connection: ScriptedConnection) -> None:
        nonlocal under_way, max_under_way
        while True:
            await connection.request()
            under_way += 1
            max_under_way = max(max_under_way, under_way)
            await gate.acquire()
            under_way -= 1
            await connection.answer()

    async with serving(count) as server, sending(provider(server.url, max_connections=3)) as sender:
        pushes = [asyncio.create_task(sender.push(f"c{number}")) for number in range(12)]
        while not all(push.done() for push in pushes):
            gate.release()
            await asyncio.sleep(0.002)
    assert max_under_way == 3
    assert len(server.received) == 12


async def test_a_push_cancelled_while_it_waits_for_a_connection_is_never_sent() -> None:
    free = asyncio.Event()

    async def answer_when_free(connection: ScriptedConnection) -> None:
        while True:
            await connection.request()
            await free.wait()
            await connection.answer()

    async with serving(answer_when_free) as server, sending(provider(server.url, max_connections=1)) as sender:
        first = asyncio.create_task(sender.push("c1"))
        await asyncio.wait_for(server.read.wait(), 30)
        second, third = (asyncio.create_task(sender.push(name)) for name in ("c2", "c3"))
        await asyncio.sleep(0)
        second.cancel()
        free.set()
        await asyncio.gather(first, third)
    assert second.cancelled()
    assert [b'"c2"' in request.body for request in server.received] == [False, False]


@pytest.mark.slow  # waits for a time-out of 3 s
async def test_the_total_time_out_counts_the_wait_for_a_connection() -> None:
    settings: dict[str, Any] = {"max_connections": 1, "connect_timeout_s": 3.0, "total_timeout_s": 3.0}
    async with serving(hold) as server, sending(provider(server.url, **settings)) as sender:
        first = asyncio.create_task(sender.push("c1"))
        await asyncio.wait_for(server.read.wait(), 30)
        asyncio.get_running_loop().call_later(2.7, first.cancel)
        began_s = time.monotonic()
        with pytest.raises(httpx.ReadTimeout):
            await sender.push("c2")
        assert 2.9 < time.monotonic() - began_s < 5.6  # a limit that starts with the connection would end after 5.7 s
    assert len(server.received) == 2


async def test_no_answer_reaches_another_push() -> None:
    async def echo(connection: ScriptedConnection) -> None:
        while True:
            body = (await connection.request()).body
            correlation_id = body.rpartition(b":")[2].strip(b'"}')
            await loop_turns(3 * (int(correlation_id[1:]) % 7))
            await connection.answer(correlation_id)

    async with serving(echo) as server, sending(provider(server.url, max_connections=8)) as sender:
        names = [f"c{number}" for number in range(100)]
        answers = await asyncio.gather(*(sender.push(name) for name in names))
    assert [answer.content.decode() for answer in answers] == names


@pytest.mark.parametrize("give_up", ["cancel", "time-out"])
async def test_a_late_answer_never_becomes_the_next_push_s(give_up: str) -> None:
    late = asyncio.Event()

    async def answer_the_first_late(connection: ScriptedConnection) -> None:
        while True:
            await connection.request()
            first = len(connection.server.received) == 1
            if first:
                await late.wait()
            await connection.answer(b"first" if first else b"second")

    settings: dict[str, Any] = {"connect_timeout_s": 0.3, "total_timeout_s": 0.3} if give_up == "time-out" else {}
    async with serving(answer_the_first_late) as server, sending(provider(server.url, **settings)) as sender:
        push = asyncio.create_task(sender.push())
        await asyncio.wait_for(server.read.wait(), 30)
        if give_up == "cancel":
            push.cancel()
        with pytest.raises((asyncio.CancelledError, httpx.ReadTimeout)):
            await push
        late.set()
        assert (await sender.push()).content == b"second"
    assert server.connections == 2


@pytest.mark.parametrize("status", ["301 M", "302 F", "303 S", "307 T", "308 P"])
async def test_a_redirect_is_never_followed(status: str) -> None:
    async def redirect(connection: ScriptedConnection) -> None:
        while True:
            await connection.request()
            await connection.answer(b"", status=status, headers=f"Location: {connection.server.url}/there\r\n")

    async with serving(redirect) as server, sending(provider(server.url)) as sender:
        response = await sender.push()
    assert response.status_code == int(status[:3])
    assert len(server.received) == 1


async def test_a_cookie_is_never_given_back() -> None:
    async def set_cookie(connection: ScriptedConnection) -> None:
        while True:
            await connection.request()
            await connection.answer(headers="Set-Cookie: a=b; Path=/\r\n")

    async with serving(set_cookie) as server, sending(provider(server.url)) as sender:
        await sender.push()
        await sender.push()
    assert "Cookie" not in server.received[1].headers


async def test_the_environment_s_proxies_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serving(accept_all) as server, sending(provider(server.url)) as sender:
        assert (await sender.push()).status_code == 200


async def test_the_provider_s_proxy_is_used_with_its_credentials() -> None:
    async with serving(accept_all) as proxy:
        described = provider("http://sms.invalid/send", proxy=f"http://me:word@127.0.0.1:{proxy.port}")
        async with sending(described) as sender:
            assert (await sender.push()).status_code == 200
    assert proxy.received[0].line == "POST http://sms.invalid/send HTTP/1.1"
    assert proxy.received[0].headers["Proxy-Authorization"] == "Basic bWU6d29yZA=="


@pytest.mark.parametrize("size", [MAX_BODY_BYTES - 1, MAX_BODY_BYTES, MAX_BODY_BYTES + 1, 20 * MAX_BODY_BYTES])
async def test_an_endless_answer_is_cut_off(size: int) -> None:
    async def answer_much(connection: ScriptedConnection) -> None:
        while True:
            await connection.request()
            await connection.answer(b"x" * size)

    async with serving(answer_much) as server, sending(provider(server.url)) as sender:
        assert len((await sender.push()).content) == min(size, MAX_BODY_BYTES)
        assert (await sender.push()).status_code == 200


@pytest.mark.parametrize("characters", [MAX_BODY_PIECES, MAX_BODY_PIECES + 1, 60_000])
async def test_an_answer_in_too_many_chunks_is_cut_off(characters: int) -> None:
    async def answer_in_chunks(connection: ScriptedConnection) -> None:
        while True:
            await connection.request()
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            await connection.write(head + b"1\r\nx\r\n" * characters + b"0\r\n\r\n")

    async with serving(answer_in_chunks) as server, sending(provider(server.url)) as sender:
        length = len((await sender.push()).content)
        assert characters >= length >= min(characters, MAX_BODY_PIECES)
        assert length < MAX_BODY_PIECES + 1_000
        assert (await sender.push()).status_code == 200
    assert server.connections == (1 if characters == MAX_BODY_PIECES else 2)


async def fail(url: str) -> BaseException:
    described = provider(url, timesmobile_get, connect_timeout_s=0.2, total_timeout_s=0.3)
    async with sending(described) as sender:
        with pytest.raises(httpx.TransportError) as caught:
            await sender.push()
        return caught.value


async def read_and_close(connection: ScriptedConnection) -> None:
    await connection.request()


async def test_neither_an_error_nor_a_log_line_holds_the_url(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(1)
    logging.getLogger().setLevel(1)
    errors = [await fail("http://127.0.0.1:1/send")]
    for script in (hold, read_and_close):
        async with serving(script) as server:
            errors.append(await fail(server.url))
    async with serving(accept_all) as server, sending(provider(server.url, timesmobile_get)) as sender:
        await sender.push()
    said = caplog.text + "".join("".join(traceback.format_exception(error)) + repr(error) for error in errors)
    assert "hush" not in said
    assert "919876543210" not in said
    assert [error.__cause__ or error.__context__ for error in errors] == [None, None, None]


async def test_a_push_whose_time_is_over_when_a_connection_is_there_is_not_written() -> None:
    async with serving(accept_all) as server, Client(provider(server.url)) as client:
        assert (await client.push(message("c1"), may_begin=lambda: True)).verdict is Verdict.ACCEPTED
        assert await client.push(message("c2"), may_begin=lambda: False) is TOO_LATE
        assert (await client.push(message("c3"), may_begin=lambda: True)).verdict is Verdict.ACCEPTED
    assert len(server.received) == 2
