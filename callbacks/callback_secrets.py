"""The secrets in the receiver's path: which secrets are valid, and whether they were changed a short time ago."""

import asyncio
from collections.abc import Sequence
from hmac import compare_digest
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from callbacks.retry_loop import run_forever
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger import keys
from times_dispatch.ledger.secret_digest import digest_secret

log = structlog.get_logger(__name__)

CALLBACK_SECRETS: Final = keys.CALLBACK_SECRETS
"""Hash: ``digests`` of the secrets with which a receiver last started; and ``changed_ms``, the time at which a receiver
last started with other secrets than the receiver before it, in epoch milliseconds (0: the secrets never changed)."""

READ_EVERY_S: Final = 1.0
"""How long the receiver uses the last record of a change before it reads the record again, in seconds."""
READ_TIMEOUT_S: Final = 1.0


class CallbackSecrets:
    """The valid secrets, and the record in Redis of when they changed.

    While hosts and the provider change from one secret to the next, the provider may use the new secret at a receiver
    that knows only the old secret, or the old secret at a receiver that knows only the new one. The provider does not
    repeat a request that got 404, and its reports would be lost. So the first receiver that starts with other secrets
    records the time, and for some time after that every receiver answers 503 to an unknown secret.
    """

    def __init__(
        self,
        redis: Redis,
        secrets: Sequence[str],
        *,
        change_s: float,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Make the secrets; nothing is recorded yet.

        Args:
            redis: the Redis in which the change is recorded.
            secrets: the valid secrets; empty strings are left out.
            change_s: how many seconds a change lasts.
            clock: the clock that decides when the record is read again.
        """
        self._redis = redis
        self._paths = [f"/callbacks/{secret}".encode() for secret in secrets if secret]
        self._digests = " ".join(
            sorted(digest_secret(secret.encode(), purpose="callback secret") for secret in secrets if secret)
        )
        self._change_s = change_s
        self._clock = clock
        self.is_recorded = False
        """Whether Redis has the record of these secrets; until then the secrets may have changed."""
        self._reading = asyncio.Lock()
        self._read_at: float | None = None
        self._is_change_recent = True

    def match(self, path: bytes) -> bool:
        """Return whether a path ends with a valid secret, in a time that does not depend on the path's content.

        A slash after the secret does no harm: some dashboards add one.
        """
        path = path.removesuffix(b"/")
        is_valid = False
        for valid in self._paths:
            is_valid |= compare_digest(path, valid)  # "or", and a return, would stop at the first match
        return is_valid

    async def record(self, stop: asyncio.Event) -> None:
        """Record the secrets of this receiver as soon as Redis is available; then wait for the stop."""

        async def step() -> None:
            if not self.is_recorded:
                await self._record()
            await stop.wait()

        await run_forever(step, stop, clock=self._clock)

    async def is_change_recent(self) -> bool:
        """Return whether the secrets were changed a short time ago; also True if Redis cannot be asked.

        Redis is read once a second at most, so that requests with guessed secrets do not load Redis.
        """
        if not self._change_s:
            return False
        async with self._reading:
            if self._read_at is None or self._clock.monotonic() - self._read_at >= READ_EVERY_S:
                self._is_change_recent = await self._read()
                self._read_at = self._clock.monotonic()
            return self._is_change_recent

    async def _record(self) -> None:
        fields, now_ms = await self._fields()
        before = fields.get(b"digests", b"").decode()
        if before != self._digests:
            changed_ms = now_ms if before else 0
            await self._redis.hset(CALLBACK_SECRETS, mapping={"digests": self._digests, "changed_ms": changed_ms})
            if before:
                log.info("the callback secrets were changed", unknown_secrets_get_503_for_s=self._change_s)
        self.is_recorded = True
        self._read_at = None

    async def _read(self) -> bool:
        if not self.is_recorded:
            return True
        try:
            async with self._clock.timeout(READ_TIMEOUT_S):
                fields, now_ms = await self._fields()
        except (RedisError, OSError):
            return True
        changed_ms = int(fields.get(b"changed_ms", 0))
        return bool(changed_ms) and now_ms - changed_ms < self._change_s * 1000

    async def _fields(self) -> tuple[dict[bytes, bytes], int]:
        """Return the fields of the record, and Redis' time in epoch milliseconds."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(CALLBACK_SECRETS)
            pipe.time()
            replies: Any = await pipe.execute()
        fields, (seconds, microseconds) = replies
        return fields, int(seconds) * 1000 + int(microseconds) // 1000
