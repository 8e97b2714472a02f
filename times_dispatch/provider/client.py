"""The client of one provider, which sends a push and returns its outcome."""

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Self

import httpx
import structlog

from times_dispatch.provider.description.placeholders import PushUnsendable
from times_dispatch.provider.description.provider import Provider
from times_dispatch.provider.description.responses import STATUSES_WITH_HEADERS, ResponseReader
from times_dispatch.provider.failures import TOO_LATE, UNSENDABLE, Failure
from times_dispatch.provider.http.transport import ProviderTransport
from times_dispatch.provider.oauth.credentials import ClientCredentials
from times_dispatch.provider.oauth.token_cache import TOKEN_TIMEOUT_S, TokenCache
from times_dispatch.provider.oauth.token_store import InMemoryTokenStore, TokenStore
from times_dispatch.provider.outcomes import Outcome, Verdict
from times_dispatch.provider.push import Push
from times_dispatch.provider.push_errors import PUSH_ERRORS, TooLate, classify
from times_dispatch.provider.request.payload import Payload, PushRequest

_log = structlog.get_logger(__name__)
_NO_HEADERS: Final[Mapping[str, str]] = {}


class Client:
    """Pushes messages to one provider, over one pool of connections, on one event loop."""

    def __init__(
        self,
        provider: Provider,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        tokens: TokenStore | None = None,
        token_timeout_s: float = TOKEN_TIMEOUT_S,
    ) -> None:
        """Compile the provider's description; no connection is made yet.

        Args:
            provider: the description of the provider.
            transport: replaces ``ProviderTransport`` in tests and experiments. With every transport, a message counts
                as not sent only if the transport raises NotSent.
            tokens: the store in which processes share an OAuth token; None keeps the token in this process.
            token_timeout_s: how long a push waits for an OAuth token, in seconds.

        Raises:
            ProviderInvalid: the description cannot work.
        """
        self._nickname = provider.nickname
        self._payload = Payload(provider)
        self._reader = ResponseReader(provider.response_rules)
        self._transport = transport or ProviderTransport(provider)
        # ProviderTransport itself enforces the total time-out, with one timer for all pushes.
        keeps_timeout = isinstance(self._transport, ProviderTransport)
        self._total_timeout_s = None if keeps_timeout else provider.total_timeout_s
        self._token_cache: TokenCache | None = None
        if isinstance(provider.auth, ClientCredentials):
            self._token_cache = TokenCache(
                provider.nickname,
                provider.auth,
                transport=self._transport,
                store=tokens or InMemoryTokenStore(),
                request_timeout_s=provider.total_timeout_s,
                get_timeout_s=token_timeout_s,
            )

    async def push(self, push: Push, *, may_begin: Callable[[], bool] | None = None) -> Outcome:
        """Send one message at most once, and return the outcome; errors of the transport also become outcomes.

        ``may_begin`` is called when the push has a token and a connection; if it returns False, nothing is written and
        the outcome is ``TOO_LATE``. A caller that cancels the push, or gets an error from it, must treat the message as
        in doubt.
        """
        authorization = ""
        if self._token_cache is not None:
            token = await self._token_cache.get()
            if isinstance(token, Outcome):
                return token
            authorization = token
        try:
            request = self._payload.request(push, authorization=authorization)
        except (PushUnsendable, UnicodeEncodeError):
            return UNSENDABLE
        if may_begin:
            request.may_begin = may_begin
        try:
            if self._total_timeout_s is None:
                return await self._exchange(request, authorization)
            async with asyncio.timeout(self._total_timeout_s):
                return await self._exchange(request, authorization)
        except TooLate:
            return TOO_LATE
        except PUSH_ERRORS as error:
            outcome = classify(error)
            if outcome.code == Failure.UNEXPECTED:
                # Only the type is logged: the text of the error may contain the URL or the message.
                _log.error("push.unexpected_error", provider=self._nickname, error=type(error).__qualname__)
            return outcome

    async def can_connect(self) -> bool:
        """Return whether a connection to the provider can be made; nothing is sent on the connection.

        The result is True for a transport that cannot find out; then only a push can find out.
        """
        return await self._transport.can_connect() if isinstance(self._transport, ProviderTransport) else True

    async def _exchange(self, request: PushRequest, authorization: str) -> Outcome:
        response = await self._transport.handle_async_request(request)
        try:
            body = await response.aread()
        finally:
            await response.aclose()
        status = response.status_code
        outcome = self._reader.read(status, response.headers if status in STATUSES_WITH_HEADERS else _NO_HEADERS, body)
        if status == 401 and authorization and self._token_cache and outcome.verdict is not Verdict.ACCEPTED:
            return self._token_cache.note_refusal(authorization)
        return outcome

    async def aclose(self) -> None:
        """Close the connections; pushes in flight get the outcome in doubt."""
        if self._token_cache:
            await self._token_cache.aclose()
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
