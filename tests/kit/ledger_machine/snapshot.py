"""Copies of all keys of the ledger, like the copy on a disk or a replica."""

from typing import Any

from redis.asyncio import Redis


async def dump_all(redis: Redis) -> dict[bytes, Any]:
    """Return all keys with their values, as ``DUMP`` packs them."""
    keys: Any = await redis.keys()
    async with redis.pipeline(transaction=True) as pipe:
        for key in keys:
            pipe.dump(key)
        dumps = await pipe.execute()
    return {bytes(key): dump for key, dump in zip(keys, dumps, strict=True)}


async def put_back(redis: Redis, dumps: dict[bytes, Any]) -> None:
    """Replace all keys by the keys of an earlier dump."""
    async with redis.pipeline(transaction=True) as pipe:
        pipe.flushdb()
        for key, dump in dumps.items():
            pipe.restore(key, 0, dump)
        await pipe.execute()
