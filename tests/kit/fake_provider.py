"""A provider that the test scripts, on the other side of a client of the workers."""

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
    """One push as the provider saw it."""

    at: float
    """On the monotonic clock."""
    to: str
    text: str
    id: str


Reply = httpx.Response | Exception | None
"""How the provider answers a push, or the error that the push meets; None accepts the push."""


class FakeProvider(httpx.AsyncBaseTransport):
    """Stands for the provider on the other side of a client; ``reply`` decides what a push gets."""

    def __init__(self) -> None:
        self.arrived: list[Arrived] = []
        self.reply: Callable[[Arrived], Reply] = lambda _: None
        self.may_answer = asyncio.Event()
        """While it is not set, those pushes stay in flight that ``is_held`` names."""
        self.may_answer.set()
        self.is_held: Callable[[Arrived], bool] = lambda _: True
        self.in_flight = 0

    @property
    def ids(self) -> list[str]:
        return [push.id for push in self.arrived]

    def script(self, *replies: Reply) -> None:
        """Reply to the next pushes like this, and accept those after them."""
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
