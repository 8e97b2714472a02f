"""The push: a message in, what became of it out."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

import httpx
import structlog

from timesmobile.answers import HEADERS_MATTER, AnswerReader
from timesmobile.failures import UNSENDABLE, Failure, classify
from timesmobile.messages import Push
from timesmobile.outcomes import Outcome
from timesmobile.payload import Payload, PushRequest, PushUnsendable
from timesmobile.provider import Provider
from timesmobile.transport import PyreqwestTransport

_log = structlog.get_logger(__name__)
_NO_HEADERS: Final[Mapping[str, str]] = {}


class Client:
    """Pushes messages through one provider, over one pool of connections, on one event loop.

    ``transport`` is for tests and experiments; whatever it is, only a NotSent that it raises means not sent. Raises
    ProviderInvalid for a provider that cannot work.
    """

    def __init__(self, provider: Provider, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._nickname = provider.nickname
        self._payload = Payload(provider)
        self._reader = AnswerReader(provider.answers)
        self._transport = transport or PyreqwestTransport(provider)
        # Ours keeps the total time-out itself, in Rust; an asyncio.timeout around it would cost a third more.
        ours = isinstance(self._transport, PyreqwestTransport)
        self._total_timeout_s = None if ours else provider.total_timeout_s

    async def push(self, push: Push) -> Outcome:
        """Send one message, once, and say what it came to. Raises nothing.

        Cancelling it is the caller's doubt: the request may have been written by then, or may still be.
        """
        try:
            request = self._payload.request(push)
        except (PushUnsendable, UnicodeEncodeError):
            return UNSENDABLE
        try:
            if self._total_timeout_s is None:
                return await self._exchange(request)
            async with asyncio.timeout(self._total_timeout_s):
                return await self._exchange(request)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the message may have gone: an outcome, not a crash
            outcome = classify(error)
            if outcome.code == Failure.UNEXPECTED:
                # Not its text, which may hold the URL or the message.
                _log.error("push.unexpected_error", provider=self._nickname, error=type(error).__qualname__)
            return outcome

    async def _exchange(self, request: PushRequest) -> Outcome:
        response = await self._transport.handle_async_request(request)
        try:
            body = await response.aread()
        finally:
            await response.aclose()
        status = response.status_code
        return self._reader.read(status, response.headers if status in HEADERS_MATTER else _NO_HEADERS, body)

    async def aclose(self) -> None:
        """Close the connections; pushes still in flight come out in doubt."""
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
