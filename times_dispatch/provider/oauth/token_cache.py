"""A provider's token: got once for all workers, renewed before it ends, and given up for a while when it is refused.

A push never waits long for one. Without a token nothing is sent, provably, and the outcome says when to come again.
"""

import asyncio
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import blake2b
from typing import Final

import httpx
import msgspec
import structlog
from cryptography.fernet import Fernet, InvalidToken

from times_dispatch.provider.failures import Failure, classify
from times_dispatch.provider.oauth import token_request
from times_dispatch.provider.oauth.credentials import ClientCredentials
from times_dispatch.provider.oauth.token_request import TokenEndpointUnavailable, TokenGranted, TokenRefused
from times_dispatch.provider.oauth.token_store import TokenStore
from times_dispatch.provider.outcomes import Outcome, Verdict

REFUSED_FOR_S: Final = 120.0
"""After a refused token nothing is sent for so long; only then is another asked for (docs/domain.md section 2)."""
AWAY_FOR_S: Final = 5.0
"""After a request for a token that got no answer, nobody asks again for so long."""

_LOOK_EVERY_S: Final = 1.0
"""What another process did with the token is seen after so long."""
_LOOK_AGAIN_S: Final = 0.1
PATIENCE_S: Final = 0.5
"""The longest that a push waits for a token; then its message goes back, because a pause may have come since."""
_RENEW_SHARE: Final = 0.2
_RENEW_AT_MOST_S: Final = 60.0
"""A token is renewed when a fifth of its life is left, or a minute."""
_END_SHARE: Final = 0.02
_END_AT_MOST_S: Final = 5.0
"""It is not used in its last moments: the push has still to get there."""

_log = structlog.get_logger(__name__)


class StoredToken(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the store holds: a token, or why there is none."""

    authorization: str = ""
    lifetime_s: float = 0.0
    why_not: str = ""
    refused: bool = False

    def __repr__(self) -> str:
        return f"Kept(why_not={self.why_not!r})"


class CachedToken(msgspec.Struct, frozen=True):
    """What this process knows, on its own clock."""

    kept: StoredToken
    until: float
    renew_at: float

    def __repr__(self) -> str:
        return f"Held({self.kept!r})"


class TokenCache:
    """Keeps one provider's token, on one event loop. Its requests go over the provider's own transport."""

    def __init__(
        self,
        nickname: str,
        credentials: ClientCredentials,
        *,
        transport: httpx.AsyncBaseTransport,
        store: TokenStore,
        timeout_s: float,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._nickname = nickname
        self._credentials = credentials
        self._transport = transport
        self._store = store
        self._timeout_s = timeout_s
        self._patience_s = patience_s
        self._clock = clock
        self._name = _name(nickname, credentials)
        self._seal = Fernet(_key(credentials))
        self._held: CachedToken | None = None
        self._look_at = 0.0
        self._looking: asyncio.Task[None] | None = None
        self._refused = ""
        """The last token that the provider refused."""
        self._telling: set[asyncio.Task[None]] = set()

    def current(self) -> str:
        """Return the header's value as of now; empty if there is no token. Looks after it in the background."""
        now = self._clock()
        if now >= self._look_at and self._looking is None:
            self._looking = asyncio.create_task(self._look())
            self._looking.add_done_callback(self._looked)
        held = self._held
        return held.kept.authorization if held is not None and now < held.until else ""

    async def obtain(self) -> str | Outcome:
        """Return the header's value, or what a push without it comes to: nothing was sent."""
        if authorization := self.current():
            return authorization
        if self._looking:
            await asyncio.wait([self._looking], timeout=self._patience_s)
        return self.current() or self._outcome()

    def refused(self, authorization: str) -> Outcome:
        """Take notice that the provider refused a token with 401; return what that push came to.

        If it has ended since, or there is a newer one, nothing stops.
        """
        held = self._active()
        if held is not None and held.kept.authorization == authorization:
            self._refused = authorization
            self._hold(StoredToken(why_not="HTTP 401 from the provider", refused=True), REFUSED_FOR_S)
            _log.error("oauth.token_refused", provider=self._nickname, by="the provider", again_in_s=REFUSED_FOR_S)
            task = asyncio.create_task(self._tell_of_refusal())
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)
        return self._outcome()

    async def aclose(self) -> None:
        """End what runs in the background."""
        tasks = [*self._telling, *([self._looking] if self._looking else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _active(self) -> CachedToken | None:
        held = self._held
        return held if held is not None and self._clock() < held.until else None

    def _is_refused(self) -> bool:
        held = self._active()
        return held is not None and held.kept.refused

    def _outcome(self) -> Outcome:
        left_s, failure, reason = 1.0, Failure.TOKEN_AWAY, "there is no token yet"
        if (held := self._active()) is not None and held.kept.why_not:
            left_s = max(held.until - self._clock(), 1.0)
            if held.kept.refused:
                failure, reason = Failure.TOKEN_REFUSED, f"token refused: {held.kept.why_not}"
            else:
                reason = f"no token: {held.kept.why_not}"
        return Outcome(verdict=Verdict.THROTTLED, code=failure.value, retry_after_s=left_s, reason=reason)

    async def _look(self) -> None:
        """Take over what the store has; if that is nothing or ends soon, get a token, unless somebody else does."""
        try:
            while not await self._take_over() and not await self._get():
                if self._active():
                    self._look_at = self._clock() + _LOOK_EVERY_S
                    return
                await asyncio.sleep(_LOOK_AGAIN_S)
        except OSError as error:
            _log.warning("oauth.store_away", provider=self._nickname, error=type(error).__name__)
            self._look_at = self._clock() + _LOOK_EVERY_S

    def _looked(self, looking: asyncio.Task[None]) -> None:
        self._looking = None
        if not looking.cancelled() and (error := looking.exception()):
            self._look_at = self._clock() + AWAY_FOR_S
            _log.error("oauth.unexpected_error", provider=self._nickname, error=type(error).__qualname__)

    async def _take_over(self) -> bool:
        """Hold what the store has; return whether that is good for a while."""
        found = await self._store.read(self._name)
        kept = self._unseal(found[0]) if found else None
        if self._is_refused():
            return True  # by the provider, meanwhile
        if found is None or kept is None or kept.authorization == self._refused != "":
            return False
        self._hold(kept, found[1])
        return self._clock() < self._held.renew_at if self._held else False

    async def _get(self) -> bool:
        """Ask for a token, alone among all processes, and tell them; return False if somebody else is at it."""
        async with self._store.alone(self._name, longest_s=self._timeout_s + 5.0) as is_mine:
            # Whoever was alone before may just have written.
            if not is_mine or await self._take_over():
                return is_mine
            asked_at = self._clock()
            kept, ttl_s = self._judge(await self._ask())
            if self._is_refused():
                return True  # by the provider, meanwhile
            if kept.authorization:
                ttl_s -= self._clock() - asked_at
                if ttl_s <= 0:
                    kept, ttl_s = StoredToken(why_not="the token ended before it came"), AWAY_FOR_S
            elif not kept.refused and self._active():
                # The old token is still good, for the others as well.
                self._look_at = self._clock() + AWAY_FOR_S
                return True
            self._hold(kept, ttl_s)
            await self._store.write(self._name, self._sealed(kept), ttl_s=ttl_s)
            return True

    async def _ask(self) -> token_request.Answer:
        request = token_request.request(self._credentials, timeout_s=self._timeout_s)
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._transport.handle_async_request(request)
                try:
                    body = await response.aread()
                finally:
                    await response.aclose()
        except (httpx.HTTPError, OSError, TimeoutError) as error:
            return TokenEndpointUnavailable(classify(error).reason)
        return token_request.read(response.status_code, body)

    def _judge(self, answer: token_request.Answer) -> tuple[StoredToken, float]:
        match answer:
            case TokenGranted(authorization, lifetime_s):
                _log.info("oauth.token", provider=self._nickname, lifetime_s=lifetime_s)
                ttl_s = lifetime_s - min(lifetime_s * _END_SHARE, _END_AT_MOST_S)
                return StoredToken(authorization=authorization, lifetime_s=lifetime_s), ttl_s
            case TokenRefused(reason):
                _log.error(
                    "oauth.token_refused",
                    provider=self._nickname,
                    by="the token server",
                    reason=reason,
                    again_in_s=REFUSED_FOR_S,
                )
                return StoredToken(why_not=reason, refused=True), REFUSED_FOR_S
            case TokenEndpointUnavailable(reason):
                _log.warning("oauth.token_away", provider=self._nickname, reason=reason, again_in_s=AWAY_FOR_S)
                return StoredToken(why_not=reason), AWAY_FOR_S

    def _hold(self, kept: StoredToken, left_s: float) -> None:
        now = self._clock()
        until = now + left_s
        renew_at = until - min(kept.lifetime_s * _RENEW_SHARE, _RENEW_AT_MOST_S)
        self._held = CachedToken(kept, until, renew_at)
        self._look_at = until if kept.why_not else min(now + _LOOK_EVERY_S, max(renew_at, now + _LOOK_AGAIN_S))

    async def _tell_of_refusal(self) -> None:
        """Stop the other processes as well, unless there is a newer token already: then go on with that."""
        try:
            found = await self._store.read(self._name)
            kept = self._unseal(found[0]) if found else None
            if found and kept and kept.authorization not in {"", self._refused}:
                self._hold(kept, found[1])
            elif self._held and not (kept and kept.refused):
                await self._store.write(self._name, self._sealed(self._held.kept), ttl_s=REFUSED_FOR_S)
        except OSError as error:
            _log.warning("oauth.store_away", provider=self._nickname, error=type(error).__name__)

    def _sealed(self, kept: StoredToken) -> bytes:
        return self._seal.encrypt(msgspec.json.encode(kept))

    def _unseal(self, sealed: bytes) -> StoredToken | None:
        try:
            return msgspec.json.decode(self._seal.decrypt(sealed), type=StoredToken)
        except (InvalidToken, msgspec.DecodeError):
            return None


def _name(nickname: str, credentials: ClientCredentials) -> str:
    """Return the name of the token in the store: other credentials, another token."""
    told = (credentials.token_url, credentials.client_id, credentials.extra)
    digest = blake2b(msgspec.json.encode(told), key=_key(credentials), digest_size=6)
    return f"{nickname}:{digest.hexdigest()}"


def _key(credentials: ClientCredentials) -> bytes:
    """Derive the key of what is kept: who may ask for the token may read it, and nobody who only reads the store."""
    secret = blake2b(credentials.client_secret.encode(), digest_size=32, person=b"dispatch-token")
    return urlsafe_b64encode(secret.digest())
