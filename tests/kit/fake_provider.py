"""A fake provider behind the workers' HTTP client; the test decides its replies."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx
import msgspec

from times_dispatch.provider.description.provider import Provider, timesmobile_post

ACCEPTED = {"state": "SUBMIT_ACCEPTED", "statusCode": 200, "description": "Message accepted successfully", "pdu": 1}


def answer(body: dict[str, Any], status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=body, headers=headers)


def refused(code: int) -> httpx.Response:
    return answer({"transactionId": 0, "state": "SUBMIT_FAILED", "statusCode": code, "description": "no"})


def described_provider(nickname: str = "times", endpoint: str = "http://127.0.0.1:9/ct") -> Provider:
    return timesmobile_post(nickname=nickname, username="shop", password="hunter2", endpoint=endpoint)


class Arrived(NamedTuple):
    """One push that the provider received."""

    at: float
    """Time of arrival, in seconds of the monotonic clock."""
    to: str
    text: str
    id: str


Reply = httpx.Response | Exception | None
"""The provider's response to a push, or the error that the push raises; None accepts the push."""


class FakeProvider(httpx.AsyncBaseTransport):
    """Replaces the HTTP transport of a client; ``reply`` returns the reply to each push."""

    def __init__(self) -> None:
        self.arrived: list[Arrived] = []
        self.reply: Callable[[Arrived], Reply] = lambda _: None
        self.may_answer = asyncio.Event()
        """While this event is not set, pushes for which ``is_held`` returns true stay in flight."""
        self.may_answer.set()
        self.is_held: Callable[[Arrived], bool] = lambda _: True
        self.in_flight = 0

    @property
    def ids(self) -> list[str]:
        return [push.id for push in self.arrived]

    def script(self, *replies: Reply) -> None:
        """Give these replies to the next pushes, in this order, and accept all later pushes."""
        coming = iter(replies)
        self.reply = lambda _: next(coming, None)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = msgspec.json.decode(request.content)
        push = Arrived(time.monotonic(), body["to"], body["text"], body["corelationid"])
        self.arrived.append(push)
        self.in_flight += 1
        try:
            if self.is_held(push):
                await self.may_answer.wait()
        finally:
            self.in_flight -= 1
        match self.reply(push):
            case None:
                return answer({"transactionId": 1000 + len(self.arrived), **ACCEPTED})
            case httpx.Response() as response:
                return response
            case Exception() as error:
                raise error
