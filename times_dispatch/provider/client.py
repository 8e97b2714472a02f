"""The push: a message in, what became of it out."""

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Self

import httpx
import structlog

from times_dispatch.provider.description.answers import HEADERS_MATTER, AnswerReader
from times_dispatch.provider.description.placeholders import PushUnsendable
from times_dispatch.provider.description.provider import Provider
from times_dispatch.provider.failures import TOO_LATE, UNSENDABLE, Failure, TooLate, classify
from times_dispatch.provider.http.transport import ProviderTransport
from times_dispatch.provider.oauth.credentials import ClientCredentials
from times_dispatch.provider.oauth.token_cache import PATIENCE_S, TokenCache
from times_dispatch.provider.oauth.token_store import OwnTokens, TokenStore
from times_dispatch.provider.outcomes import Outcome, Verdict
from times_dispatch.provider.push import Push
from times_dispatch.provider.request.payload import Payload, PushRequest

_log = structlog.get_logger(__name__)
_NO_HEADERS: Final[Mapping[str, str]] = {}


class Client:
    """Pushes messages through one provider, over one pool of connections, on one event loop.

    ``transport`` is for tests and experiments; whatever it is, only a NotSent that it raises means not sent. ``tokens``
    is where an OAuth token is shared with other processes, and ``token_patience_s`` how long a push waits for one.
    Raises ProviderInvalid for a provider that cannot work.
    """

    def __init__(
        self,
        provider: Provider,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        tokens: TokenStore | None = None,
        token_patience_s: float = PATIENCE_S,
    ) -> None:
        self._nickname = provider.nickname
        self._payload = Payload(provider)
        self._reader = AnswerReader(provider.answers)
        self._transport = transport or ProviderTransport(provider)
        # Ours keeps the total time-out itself, with one timer for all pushes.
        ours = isinstance(self._transport, ProviderTransport)
        self._total_timeout_s = None if ours else provider.total_timeout_s
        self._keeper: TokenCache | None = None
        if isinstance(provider.auth, ClientCredentials):
            self._keeper = TokenCache(
                provider.nickname,
                provider.auth,
                transport=self._transport,
                store=tokens or OwnTokens(),
                timeout_s=provider.total_timeout_s,
                patience_s=token_patience_s,
            )

    async def push(self, push: Push, *, may_begin: Callable[[], bool] | None = None) -> Outcome:
        """Send one message, once, and say what it came to. Raises nothing.

        ``may_begin`` is asked again when there is a token and a connection: if it says no the outcome is ``TOO_LATE``.
        Cancelling it is the caller's doubt: the request may have been written by then, or may still be.
        """
        token = ""
        if self._keeper is not None:
            obtained = await self._keeper.obtain()
            if isinstance(obtained, Outcome):
                return obtained
            token = obtained
        try:
            request = self._payload.request(push, authorization=token)
        except (PushUnsendable, UnicodeEncodeError):
            return UNSENDABLE
        if may_begin:
            request.may_begin = may_begin
        try:
            if self._total_timeout_s is None:
                return await self._exchange(request, token)
            async with asyncio.timeout(self._total_timeout_s):
                return await self._exchange(request, token)
        except TooLate:
            return TOO_LATE
        except Exception as error:  # noqa: BLE001 -- whatever it is, the message may have gone: an outcome, not a crash
            outcome = classify(error)
            if outcome.code == Failure.UNEXPECTED:
                # Not its text, which may hold the URL or the message.
                _log.error("push.unexpected_error", provider=self._nickname, error=type(error).__qualname__)
            return outcome

    async def _exchange(self, request: PushRequest, token: str) -> Outcome:
        response = await self._transport.handle_async_request(request)
        try:
            body = await response.aread()
        finally:
            await response.aclose()
        status = response.status_code
        outcome = self._reader.read(status, response.headers if status in HEADERS_MATTER else _NO_HEADERS, body)
        if status == 401 and token and self._keeper and outcome.verdict is not Verdict.ACCEPTED:
            return self._keeper.refused(token)
        return outcome

    async def aclose(self) -> None:
        """Close the connections; pushes still in flight come out in doubt."""
        if self._keeper:
            await self._keeper.aclose()
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
