"""The record of the id key in the ledger: which key signs correlation ids, and which key signed them before.

A process with another key than the other processes would make ids that no reconciler recognises, and would not
recognise the ids of the other processes. So the ledger holds a digest of the key, and every process that has the key
compares the two at its start. A worker or reconciler changes the record if the process has a new key and, as its old
key, the key that the ledger records (docs/operations.md). Processes may make ids with the previous key for ``MAKE_S``.
A process that reads ids needs the previous key for ``READ_S``, because reports come up to 72 hours after the push.
"""

from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import WatchError

from times_dispatch.ledger.connection import address_of
from times_dispatch.ledger.errors import IdKeyRefused
from times_dispatch.ledger.keys import ID_KEY, IdKeyField
from times_dispatch.ledger.secret_digest import digest_secret

MAKE_S: Final = 3 * 86_400
"""Seconds after a change for which a process may still make ids with the previous key."""
READ_S: Final = 7 * 86_400
"""Seconds after a change for which a process that reads ids must have the previous key: ``MAKE_S``, then the 72 hours
that a report may take, and a day."""

_HOW_TO: Final = 'docs/operations.md says how to change the key: "How do I change a key?"'


class IdKeyRecord(NamedTuple):
    """The record of the id key in the ledger, and when the record was read."""

    digest: str
    """Digest of the key that makes ids; empty if the ledger has no record yet."""
    previous: str
    """Digest of the previous key; empty if the key was never changed."""
    changed_ms: int
    """When the key was changed, by Redis' clock."""
    now_ms: int
    """When the record was read, by Redis' clock."""

    def is_within(self, seconds: int) -> bool:
        """Return whether the key was changed in the last *seconds* seconds."""
        return bool(self.previous) and self.now_ms - self.changed_ms < seconds * 1000


class IdKeyGuard:
    """Compares a process' id keys with the ledger's record. Every method raises Redis errors and IdKeyRefused."""

    def __init__(self, redis: Redis, key: bytes, old_key: bytes = b"") -> None:
        """Keep digests of the keys; this reads nothing from Redis.

        Args:
            redis: the ledger.
            key: the key with which the process makes and reads ids.
            old_key: another key with which the process reads ids; empty if there is none.
        """
        self._redis = redis
        self._digest = digest_secret(key, purpose="id key")
        self._old_digest = digest_secret(old_key, purpose="id key") if old_key else ""
        self._known = {self._digest, self._old_digest}

    async def register(self) -> bool:
        """Compare the keys with the record when a worker or reconciler starts; return whether the record was changed.

        Without a record, the process' key becomes the ledger's. If the ledger records the process' old key, the
        process' key replaces the old key. Both may be repeated, and several processes may do so at the same time.

        A process whose key is the replaced key, and whose old key is the new key, is on a host that has not been
        changed yet. Such a process may start for ``MAKE_S``, and does not change the key back.

        Raises:
            IdKeyRefused: the ledger records a key that the process does not have, or replaced its key too long ago.
        """
        async with self._redis.pipeline() as pipe:
            while True:
                await pipe.watch(ID_KEY)
                record = _parse(await pipe.hgetall(ID_KEY), await pipe.time())
                fields = self._change(record)
                if not fields:
                    return False
                pipe.multi()  # type: ignore[no-untyped-call]
                pipe.delete(ID_KEY)
                pipe.hset(ID_KEY, mapping=fields)
                try:
                    await pipe.execute()
                except WatchError:  # another process wrote the record in between
                    continue
                return True

    async def check_known(self) -> None:
        """Check that a command has the recorded key as its key or its old key; nothing is recorded.

        Raises:
            IdKeyRefused: the ledger records a key that the process does not have.
        """
        record = await self._read()
        if record.digest and record.digest not in self._known:
            raise self._refusal(record)

    async def check_making(self) -> str:
        """Check that the process may make ids now; nothing is recorded.

        Returns:
            A warning if the key was changed and the process still makes ids with the previous key; else empty.

        Raises:
            IdKeyRefused: the ledger records another key, or the change is older than ``MAKE_S``.
        """
        record = await self._read()
        if record.digest in {"", self._digest}:
            return ""
        if record.previous == self._digest and record.is_within(MAKE_S):
            until = _moment(record.changed_ms + MAKE_S * 1000)
            return f"{self._replaced(record)}; it may not make ids after {until}. Restart with the new key"
        raise self._refusal(record)

    async def check_reading(self) -> None:
        """Check that the process has every key with which the messages' ids may have been made.

        A key is recorded before the first id is made with it. So an id with a wrong signature is foreign if this check
        passes after the id was read.

        Raises:
            IdKeyRefused: a key is missing, so the process cannot tell our ids from foreign ids.
        """
        record = await self._read()
        if record.digest and record.digest not in self._known:
            raise self._refusal(record)
        if record.previous not in self._known and record.is_within(READ_S):
            until = _moment(record.changed_ms + READ_S * 1000)
            raise IdKeyRefused(
                f"{self._changed(record)}, and until {until} reports may come for ids of the previous key: "
                f"set DISPATCH_ID_KEY_OLD to that key. {_HOW_TO}"
            )

    async def _read(self) -> IdKeyRecord:
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(ID_KEY)
            pipe.time()
            fields, now = await pipe.execute()
        return _parse(fields, now)

    def _change(self, record: IdKeyRecord) -> dict[Any, Any]:
        """Return the fields of the record that have to be written; empty if the record is right."""
        if not record.digest:
            return {IdKeyField.DIGEST: self._digest}
        if record.digest == self._digest:
            return {}
        if record.digest != self._old_digest:
            raise self._refusal(record)
        if record.previous == self._digest:
            if record.is_within(MAKE_S):
                return {}
            raise self._refusal(record)
        if record.previous not in self._known and record.is_within(READ_S):
            until = _moment(record.changed_ms + READ_S * 1000)
            raise IdKeyRefused(
                f"{self._changed(record)}, and can be changed again at {until}: until then reports may come for ids of "
                f"the previous key, and a process can have only one old key. Start with the key of the other processes"
            )
        return {
            IdKeyField.DIGEST: self._digest,
            IdKeyField.PREVIOUS: record.digest,
            IdKeyField.CHANGED_MS: record.now_ms,
        }

    def _refusal(self, record: IdKeyRecord) -> IdKeyRefused:
        if record.digest == self._old_digest and record.previous != self._digest:
            return IdKeyRefused(
                f"Redis at {address_of(self._redis)}: DISPATCH_ID_KEY_OLD is still the key that makes ids: first start "
                f"a reconciler or a worker with the new key, so that the ids of this process are read. {_HOW_TO}"
            )
        if record.previous == self._digest:
            return IdKeyRefused(
                f"{self._replaced(record)}: set DISPATCH_ID_KEY to the new key, and DISPATCH_ID_KEY_OLD to the "
                f"previous key. {_HOW_TO}"
            )
        names = "neither DISPATCH_ID_KEY nor DISPATCH_ID_KEY_OLD is" if self._old_digest else "DISPATCH_ID_KEY is not"
        return IdKeyRefused(
            f"Redis at {address_of(self._redis)}: {names} the key with which the other processes of this ledger make "
            f"ids: give this process the key of the other processes, or another ledger. {_HOW_TO}"
        )

    def _changed(self, record: IdKeyRecord) -> str:
        return f"Redis at {address_of(self._redis)}: the id key was changed at {_moment(record.changed_ms)}"

    def _replaced(self, record: IdKeyRecord) -> str:
        return f"{self._changed(record)}, and DISPATCH_ID_KEY is still the previous key"


def _parse(fields: Any, now: Any) -> IdKeyRecord:
    seconds, microseconds = now
    return IdKeyRecord(
        digest=fields.get(IdKeyField.DIGEST.encode(), b"").decode(),
        previous=fields.get(IdKeyField.PREVIOUS.encode(), b"").decode(),
        changed_ms=int(fields.get(IdKeyField.CHANGED_MS.encode(), 0)),
        now_ms=int(seconds) * 1000 + int(microseconds) // 1000,
    )


def _moment(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
