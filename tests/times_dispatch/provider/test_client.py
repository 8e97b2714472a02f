import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import uvloop
from structlog.testing import capture_logs

from tests.kit.scripted_server import ScriptedConnection, accept_all, hold, serving
from times_dispatch.provider.client import Client
from times_dispatch.provider.description.provider import Provider, ProviderInvalid, timesmobile_get, timesmobile_post
from times_dispatch.provider.failures import Failure
from times_dispatch.provider.outcomes import BrakeScope, Verdict
from times_dispatch.provider.push import Push
from times_dispatch.provider.push_errors import NotSent

Handler = Callable[[httpx.Request], Any]


def described(endpoint: str = "https://sms.example/send", **settings: Any) -> Provider:
    return timesmobile_post(nickname="tm", username="user", password="hush", endpoint=endpoint, **settings)


def message(text: str = "Hi", correlation_id: str = "c1") -> Push:
    return Push(
        to="919876543210",
        text=text,
        sender="TIMESM",
        content_id="1207161234567890123",
        correlation_id=correlation_id,
        unicode=False,
    )


def mocked(handler: Handler, **settings: Any) -> Client:
    return Client(described(**settings), httpx.MockTransport(handler))


async def test_a_push_that_is_taken_is_accepted() -> None:
    async with serving(accept_all) as server, Client(described(server.url)) as client:
        outcome = await client.push(message())
    assert (outcome.verdict, outcome.code, outcome.transaction_id, outcome.parts) == (
        Verdict.ACCEPTED,
        200,
        "205538399",
        1,
    )
    assert json.loads(server.received[0].body)["corelationid"] == "c1"


async def test_another_transport_gets_a_whole_request_and_its_answer_is_read() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert json.loads(request.content)["to"] == "919876543210"
        assert request.url == "https://sms.example/send"
        return httpx.Response(200, json={"state": "SUBMIT_FAILED", "statusCode": "2051"})

    outcome = await mocked(handler).push(message())
    assert (outcome.verdict, outcome.scope) == (Verdict.BRAKE, BrakeScope.SENDER)


async def test_a_throttle_s_header_is_read_on_the_wire() -> None:
    async def throttle(connection: ScriptedConnection) -> None:
        await connection.request()
        await connection.answer(b"<html>", status="503 Busy", headers="Retry-After: 7\r\n")

    async with serving(throttle) as server, Client(described(server.url)) as client:
        outcome = await client.push(message())
    assert (outcome.verdict, outcome.retry_after_s) == (Verdict.THROTTLED, 7.0)


async def test_a_redirect_brakes_the_provider() -> None:
    outcome = await mocked(lambda _: httpx.Response(302, headers={"Location": "https://x.example"})).push(message())
    assert (outcome.verdict, outcome.scope, outcome.code) == (Verdict.IN_DOUBT, BrakeScope.PROVIDER, 302)


@pytest.mark.parametrize(
    ("error", "verdict", "code"),
    [
        (NotSent(Failure.REFUSED), Verdict.NOT_SENT, Failure.REFUSED),
        (httpx.ConnectError("x"), Verdict.IN_DOUBT, Failure.CONNECTION_LOST),
        (httpx.ReadTimeout("x"), Verdict.IN_DOUBT, Failure.READ_TIMEOUT),
        (KeyError("x"), Verdict.IN_DOUBT, Failure.UNEXPECTED),
        (AssertionError("x"), Verdict.IN_DOUBT, Failure.UNEXPECTED),
    ],
)
async def test_an_error_is_an_outcome(error: Exception, verdict: Verdict, code: Failure) -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        raise error

    outcome = await mocked(handler).push(message())
    assert (outcome.verdict, outcome.code) == (verdict, code)


class Unforeseen(Exception):
    """An error that no transport should raise."""


async def test_an_error_of_an_unforeseen_class_is_raised() -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        raise Unforeseen

    with pytest.raises(Unforeseen):
        await mocked(handler).push(message())


async def test_an_unexpected_error_is_logged_by_its_type_alone() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise RuntimeError(f"{request.content!r}")

    with capture_logs() as lines:
        await mocked(handler).push(message("Dear Asha"))
    assert lines == [
        {"event": "push.unexpected_error", "log_level": "error", "provider": "tm", "error": "RuntimeError"}
    ]


@pytest.mark.parametrize("text", ["half a pair \ud83d", "\udc00"])
async def test_a_text_that_cannot_be_encoded_is_rejected_and_not_sent(text: str) -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        raise AssertionError("sent")

    outcome = await mocked(handler).push(message(text))
    assert (outcome.verdict, outcome.code) == (Verdict.REJECTED, Failure.UNSENDABLE)


async def test_a_placeholder_without_a_value_is_rejected_and_not_sent() -> None:
    provider = Provider(
        nickname="other",
        method="POST",
        endpoint="https://sms.example/send",
        encoding="form",
        payload=(("to", "$$To"), ("text", "$$Body"), ("route", "$$route")),
    )
    client = Client(provider, httpx.MockTransport(lambda _: httpx.Response(200)))
    assert (await client.push(message())).code == Failure.UNSENDABLE


async def test_cancelling_a_push_raises_and_leaves_the_doubt_to_the_caller() -> None:
    async with serving(hold) as server, Client(described(server.url)) as client:
        push = asyncio.create_task(client.push(message()))
        await asyncio.wait_for(server.read.wait(), 30)
        push.cancel()
        with pytest.raises(asyncio.CancelledError):
            await push


class Endless(httpx.AsyncByteStream):
    """A body that never ends, and records whether it was closed."""

    closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.01)

    async def aclose(self) -> None:
        self.closed = True


async def test_the_total_time_out_holds_for_any_transport_while_the_body_drips() -> None:
    body = Endless()
    client = mocked(lambda _: httpx.Response(200, stream=body), connect_timeout_s=0.1, total_timeout_s=0.2)
    outcome = await asyncio.wait_for(client.push(message()), 30)
    assert (outcome.verdict, outcome.code) == (Verdict.IN_DOUBT, Failure.READ_TIMEOUT)
    assert body.closed


async def test_pushes_in_flight_at_the_closing_are_in_doubt_at_once() -> None:
    async with serving(hold) as server, asyncio.timeout(30):
        client = Client(described(server.url, total_timeout_s=60.0))
        push = asyncio.create_task(client.push(message()))
        await server.read.wait()
        await client.aclose()
        assert (await push).verdict is Verdict.IN_DOUBT


async def test_a_provider_that_cannot_work_is_refused_at_once() -> None:
    with pytest.raises(ProviderInvalid, match="max_connections"):
        Client(described(max_connections=0))


def test_the_client_works_on_uvloop_with_many_pushes_at_once() -> None:
    async def story() -> list[Verdict]:
        async with serving(accept_all) as server:
            provider = timesmobile_get(nickname="tm", username="u", password="p", endpoint=server.url)
            async with Client(provider) as client:
                outcomes = await asyncio.gather(*(client.push(message(correlation_id=f"c{n}")) for n in range(300)))
            assert len({request.line for request in server.received}) == len(server.received) == 300
        return [outcome.verdict for outcome in outcomes]

    assert set(uvloop.run(story())) == {Verdict.ACCEPTED}
