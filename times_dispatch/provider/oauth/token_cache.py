"""A provider's OAuth token: requested once for all workers, renewed before it expires, shared through a store.

A push waits only for a short time for a token. Without a token nothing is sent, and the outcome has the time of the
next try.
"""

import asyncio
from typing import Final

import httpx
import msgspec
import structlog

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.provider.failures import Failure
from times_dispatch.provider.oauth.credentials import ClientCredentials
from times_dispatch.provider.oauth.stored_token import StoredToken, TokenCipher
from times_dispatch.provider.oauth.token_request import (
    TokenEndpointUnavailable,
    TokenGranted,
    TokenRefused,
    TokenResponse,
    read_response,
    token_request,
)
from times_dispatch.provider.oauth.token_store import TokenStore
from times_dispatch.provider.outcomes import Outcome, Verdict
from times_dispatch.provider.push_errors import classify
from times_dispatch.retry import Backoff, retry

REFUSED_FOR_S: Final = 120.0
"""How long, in seconds, after a refusal nothing is sent and no token is requested (docs/domain.md section 2)."""
UNAVAILABLE_FOR_S: Final = 5.0
"""How long, in seconds, after a token request without a usable response no process sends another token request."""
TOKEN_TIMEOUT_S: Final = 0.5
"""How long, in seconds, a push waits for a token. Then the message becomes pending again, because the campaign may have
been paused meanwhile.
"""

_READ_STORE_EVERY_S: Final = 1.0
"""The time, in seconds, after which this process sees a token or a refusal that another process stored."""
_LOCKED_RETRY_S: Final = 0.1
"""The time, in seconds, until the store is read again while another process requests a token."""
_RENEW_SHARE: Final = 0.2
"""A token is renewed when this share of its lifetime is left, or ``_MAX_RENEW_S`` if that is shorter."""
_MAX_RENEW_S: Final = 60.0
"""A token is renewed at most this time, in seconds, before it expires."""
_MARGIN_SHARE: Final = 0.02
"""In this last share of its lifetime, or in ``_MAX_MARGIN_S`` if that is shorter, a token is not used: the push might
arrive too late."""
_MAX_MARGIN_S: Final = 5.0
"""A token stops being used at most this time, in seconds, before it expires."""


class CachedToken(msgspec.Struct, frozen=True):
    """A stored token with times by the monotonic clock of this process."""

    stored: StoredToken
    expires_at: float
    renew_at: float

    def __repr__(self) -> str:
        return f"CachedToken({self.stored!r})"


class _RequestedElsewhere(Exception):
    """Another process is requesting the token now."""


class TokenCache:
    """Caches one provider's token, on one event loop."""

    def __init__(
        self,
        nickname: str,
        credentials: ClientCredentials,
        *,
        transport: httpx.AsyncBaseTransport,
        store: TokenStore,
        request_timeout_s: float,
        get_timeout_s: float = TOKEN_TIMEOUT_S,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Create an empty cache; nothing is requested before the first ``get``.

        Args:
            nickname: the provider's name in logs, and part of the token's key in the store.
            credentials: the credentials with which the token is requested.
            transport: sends the token request; the provider's transport, so that the request uses the proxy and the TLS
                of the pushes.
            store: the store in which the processes share the token.
            request_timeout_s: how long the token server may take to answer, in seconds.
            get_timeout_s: how long ``get`` waits for a token, in seconds.
            clock: the clock of lifetimes and waits.
        """
        self._nickname = nickname
        self._credentials = credentials
        self._transport = transport
        self._store = store
        self._request_timeout_s = request_timeout_s
        self._get_timeout_s = get_timeout_s
        self._clock = clock
        self._log = structlog.get_logger(__name__)
        self._cipher = TokenCipher(credentials)
        self._name = self._cipher.store_name(nickname)
        self._cached: CachedToken | None = None
        self._refresh_at = 0.0
        self._refreshing: asyncio.Task[None] | None = None
        self._refresh_ended = asyncio.Event()
        self._last_refused = ""
        """The last Authorization header that the provider refused."""
        self._publishing: set[asyncio.Task[None]] = set()

    def current(self) -> str:
        """Return the Authorization header, or an empty string without a valid token; start a refresh if it is due."""
        now = self._clock.monotonic()
        if now >= self._refresh_at and self._refreshing is None:
            self._refresh_ended.clear()
            self._refreshing = asyncio.create_task(self._refresh())
            self._refreshing.add_done_callback(self._on_refresh_ended)
        cached = self._cached
        return cached.stored.authorization if cached is not None and now < cached.expires_at else ""

    async def get(self) -> str | Outcome:
        """Return the Authorization header, or, without a token, the outcome of a push that was not sent."""
        if authorization := self.current():
            return authorization
        if self._refreshing:
            await self._clock.wait(self._refresh_ended, self._get_timeout_s)
        return self.current() or self._outcome()

    def note_refusal(self, authorization: str) -> Outcome:
        """Note that the provider answered 401 to a push with this header; return the outcome of that push.

        Pushes stop for REFUSED_FOR_S only if the refused token is the current token. The refusal of a token that has
        expired or was replaced stops nothing.
        """
        cached = self._valid()
        if cached is not None and cached.stored.authorization == authorization:
            self._last_refused = authorization
            self._cache(StoredToken(why_not="HTTP 401 from the provider", refused=True), REFUSED_FOR_S)
            self._log.error("oauth.token_refused", provider=self._nickname, by="the provider", again_in_s=REFUSED_FOR_S)
            task = asyncio.create_task(self._publish_refusal())
            self._publishing.add(task)
            task.add_done_callback(self._publishing.discard)
        return self._outcome()

    async def aclose(self) -> None:
        """Cancel the background tasks, and wait until they have ended."""
        tasks = [*self._publishing, *([self._refreshing] if self._refreshing else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _valid(self) -> CachedToken | None:
        cached = self._cached
        return cached if cached is not None and self._clock.monotonic() < cached.expires_at else None

    def _is_refused(self) -> bool:
        cached = self._valid()
        return cached is not None and cached.stored.refused

    def _outcome(self) -> Outcome:
        left_s, failure, reason = 1.0, Failure.TOKEN_UNAVAILABLE, "there is no token yet"
        if (cached := self._valid()) is not None and cached.stored.why_not:
            left_s = max(cached.expires_at - self._clock.monotonic(), 1.0)
            if cached.stored.refused:
                failure, reason = Failure.TOKEN_REFUSED, f"token refused: {cached.stored.why_not}"
            else:
                reason = f"no token: {cached.stored.why_not}"
        return Outcome(verdict=Verdict.THROTTLED, code=failure.value, retry_after_s=left_s, reason=reason)

    async def _refresh(self) -> None:
        backoff = Backoff(first_s=_LOCKED_RETRY_S, max_s=_LOCKED_RETRY_S)
        try:
            await retry(
                self._refresh_once,
                on=(_RequestedElsewhere,),
                backoff=backoff,
                clock=self._clock,
            )
        except OSError as error:
            self._log.warning("oauth.store_unavailable", provider=self._nickname, error=type(error).__name__)
            self._refresh_at = self._clock.monotonic() + _READ_STORE_EVERY_S

    async def _refresh_once(self) -> None:
        """Cache the stored token; request a token if there is none, or if the stored token expires soon.

        Raises _RequestedElsewhere if another process is requesting a token and the cache has no valid token meanwhile.
        """
        if await self._read_store() or await self._request():
            return
        if not self._valid():
            raise _RequestedElsewhere
        self._refresh_at = self._clock.monotonic() + _READ_STORE_EVERY_S

    def _on_refresh_ended(self, refreshing: asyncio.Task[None]) -> None:
        self._refreshing = None
        self._refresh_ended.set()
        if not refreshing.cancelled() and (error := refreshing.exception()):
            self._refresh_at = self._clock.monotonic() + UNAVAILABLE_FOR_S
            self._log.error("oauth.unexpected_error", provider=self._nickname, error=type(error).__qualname__)

    async def _read_store(self) -> bool:
        """Cache the content of the store; return whether no token request is needed."""
        encrypted, left_s = await self._store.read(self._name) or (b"", 0.0)
        stored = self._cipher.decrypt(encrypted) if encrypted else None
        if self._is_refused():
            return True  # the provider refused the token while the store was read
        if stored is None or stored.authorization == self._last_refused != "":
            return False
        self._cache(stored, left_s)
        return self._clock.monotonic() < self._cached.renew_at if self._cached else False

    async def _request(self) -> bool:
        """Request a token, and store the token; return False if another process is requesting a token."""
        async with self._store.lock(self._name, ttl_s=self._request_timeout_s + 5.0) as is_mine:
            # The previous holder of the lock may have stored a token.
            if not is_mine or await self._read_store():
                return is_mine
            requested_at = self._clock.monotonic()
            stored, ttl_s = self._judge(await self._post())
            if self._is_refused():
                return True  # the provider refused the previous token during this request
            if stored.authorization:
                ttl_s -= self._clock.monotonic() - requested_at
                if ttl_s <= 0:
                    stored, ttl_s = StoredToken(why_not="the token expired before it arrived"), UNAVAILABLE_FOR_S
            elif not stored.refused and self._valid():
                # All processes can still use the old token, so the failure is not stored.
                self._refresh_at = self._clock.monotonic() + UNAVAILABLE_FOR_S
                return True
            self._cache(stored, ttl_s)
            await self._store.write(self._name, self._cipher.encrypt(stored), ttl_s=ttl_s)
            return True

    async def _post(self) -> TokenResponse:
        request = token_request(self._credentials, timeout_s=self._request_timeout_s)
        try:
            async with asyncio.timeout(self._request_timeout_s):
                response = await self._transport.handle_async_request(request)
                try:
                    body = await response.aread()
                finally:
                    await response.aclose()
        except (httpx.HTTPError, OSError, TimeoutError) as error:
            return TokenEndpointUnavailable(classify(error).reason)
        return read_response(response.status_code, body)

    def _judge(self, response: TokenResponse) -> tuple[StoredToken, float]:
        """Return the token or the refusal to store, and for how many seconds."""
        match response:
            case TokenGranted(authorization, lifetime_s):
                self._log.info("oauth.token_granted", provider=self._nickname, lifetime_s=lifetime_s)
                ttl_s = lifetime_s - min(lifetime_s * _MARGIN_SHARE, _MAX_MARGIN_S)
                return StoredToken(authorization=authorization, lifetime_s=lifetime_s), ttl_s
            case TokenRefused(reason):
                self._log.error(
                    "oauth.token_refused",
                    provider=self._nickname,
                    by="the token server",
                    reason=reason,
                    again_in_s=REFUSED_FOR_S,
                )
                return StoredToken(why_not=reason, refused=True), REFUSED_FOR_S
            case TokenEndpointUnavailable(reason):
                self._log.warning(
                    "oauth.token_unavailable", provider=self._nickname, reason=reason, again_in_s=UNAVAILABLE_FOR_S
                )
                return StoredToken(why_not=reason), UNAVAILABLE_FOR_S

    def _cache(self, stored: StoredToken, left_s: float) -> None:
        now = self._clock.monotonic()
        expires_at = now + left_s
        renew_at = expires_at - min(stored.lifetime_s * _RENEW_SHARE, _MAX_RENEW_S)
        self._cached = CachedToken(stored, expires_at, renew_at)
        if stored.why_not:
            self._refresh_at = expires_at
        else:
            self._refresh_at = min(now + _READ_STORE_EVERY_S, max(renew_at, now + _LOCKED_RETRY_S))

    async def _publish_refusal(self) -> None:
        """Store the refusal, which stops the other processes; cache a newer token of the store instead."""
        try:
            encrypted, left_s = await self._store.read(self._name) or (b"", 0.0)
            stored = self._cipher.decrypt(encrypted) if encrypted else None
            if stored and stored.authorization not in {"", self._last_refused}:
                self._cache(stored, left_s)
            elif self._cached and not (stored and stored.refused):
                await self._store.write(self._name, self._cipher.encrypt(self._cached.stored), ttl_s=REFUSED_FOR_S)
        except OSError as error:
            self._log.warning("oauth.store_unavailable", provider=self._nickname, error=type(error).__name__)
