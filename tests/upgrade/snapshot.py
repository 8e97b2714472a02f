"""A copy of all keys of a Redis, independent of the server's version: for a ledger that an older release wrote.

``python -m tests.upgrade.write_snapshot`` writes the file ``old_ledger.msgpack.gz``.
"""

import gzip
from pathlib import Path
from typing import Any, Final

import msgspec
from redis import Redis

FILE: Final = Path(__file__).parent / "old_ledger.msgpack.gz"
_IDLE_MS: Final = 600_000
"""The idle time, in milliseconds, that restored entries of a dead reconciler get."""


class StreamGroup(msgspec.Struct, frozen=True):
    """A consumer group, and the entries that were delivered but not acknowledged."""

    name: bytes
    last_id: bytes
    pending: dict[bytes, bytes]
    """For each id of an entry, the consumer that holds the entry."""


class Key(msgspec.Struct, frozen=True):
    """A key and its value."""

    name: bytes
    kind: str
    value: Any
    """Bytes, or a list: members, pairs of field and value, pairs of score and member, or pairs of id and fields."""
    groups: list[StreamGroup] = []


class Acceptance(msgspec.Struct, frozen=True):
    """The provider's record of an accepted message."""

    id: str
    event: str
    """The last report that was posted about the message: delivered or failed."""
    code: str


class Snapshot(msgspec.Struct, frozen=True):
    """The ledger that an older release wrote, and the provider's books."""

    taken_us: int
    """When the copy was made, by the clock of Redis."""
    keys: list[Key]
    campaigns: dict[str, str]
    """The id of each campaign, by the purpose of the campaign."""
    books: list[Acceptance]
    id_key: str
    """The key of the correlation ids, which is used only for this file."""
    opted_out: str
    """A number on the opt-out list."""


def write(snapshot: Snapshot) -> int:
    """Write the file; return its size in bytes."""
    FILE.write_bytes(gzip.compress(msgspec.msgpack.encode(snapshot), 9, mtime=0))
    return FILE.stat().st_size


def read() -> Snapshot:
    """Return the snapshot in the file."""
    return msgspec.msgpack.decode(gzip.decompress(FILE.read_bytes()), type=Snapshot)


def copy_keys(redis: Redis) -> list[Key]:
    """Return all keys of a Redis, without times to live, which would run out before a test reads the keys."""
    return [_copy_key(redis, name) for name in sorted(redis.scan_iter(count=1_000))]


def restore_keys(redis: Redis, keys: list[Key]) -> None:
    """Write keys into an empty Redis."""
    for key in keys:
        _RESTORE[key.kind](redis, key)


def _copy_key(redis: Any, name: bytes) -> Key:
    kind = redis.type(name).decode()
    match kind:
        case "string":
            return Key(name, kind, redis.get(name))
        case "hash":
            return Key(name, kind, sorted(redis.hgetall(name).items()))
        case "list":
            return Key(name, kind, redis.lrange(name, 0, -1))
        case "set":
            return Key(name, kind, sorted(redis.smembers(name)))
        case "zset":
            return Key(name, kind, redis.zrange(name, 0, -1, withscores=True))
        case "stream":
            entries = [(id_, list(fields.items())) for id_, fields in redis.xrange(name)]
            return Key(name, kind, entries, [_copy_group(redis, name, group) for group in redis.xinfo_groups(name)])
    raise ValueError(f"{name!r}: {kind}")


def _copy_group(redis: Any, name: bytes, group: dict[str, Any]) -> StreamGroup:
    pending = redis.xpending_range(name, group["name"], "-", "+", 1_000_000)
    held = {entry["message_id"]: entry["consumer"] for entry in pending}
    return StreamGroup(group["name"], group["last-delivered-id"], held)


def _restore_stream(redis: Any, key: Key) -> None:
    for id_, fields in key.value:
        redis.xadd(key.name, dict(fields), id=id_)
    for group in key.groups:
        redis.xgroup_create(key.name, group.name, id=group.last_id, mkstream=True)
        for id_, consumer in group.pending.items():
            redis.xclaim(key.name, group.name, consumer, 0, [id_], idle=_IDLE_MS, force=True, justid=True)


_RESTORE: Final[dict[str, Any]] = {
    "string": lambda redis, key: redis.set(key.name, key.value),
    "hash": lambda redis, key: redis.hset(key.name, mapping=dict(key.value)),
    "list": lambda redis, key: redis.rpush(key.name, *key.value),
    "set": lambda redis, key: redis.sadd(key.name, *key.value),
    "zset": lambda redis, key: redis.zadd(key.name, dict(key.value)),
    "stream": _restore_stream,
}
