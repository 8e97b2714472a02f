"""The servers that hold a ledger: one Redis, or the primaries of a cluster."""

from redis.asyncio import Redis

from times_dispatch.ledger.cluster.client import ClusterRedis


async def servers_of(redis: Redis) -> dict[str, Redis]:
    """Return a client of each server that holds a part of the ledger, by its address. Raises Redis errors."""
    if isinstance(redis, ClusterRedis):
        return {str(address): node for address, node in (await redis.primaries()).items()}
    return {address_of(redis): redis}


def address_of(redis: Redis) -> str:
    """Return the host and port of a client, for messages; on a cluster the first node of its URL."""
    kwargs = redis.connection_pool.connection_kwargs
    return f"{kwargs.get('host', 'localhost')}:{kwargs.get('port', 6379)}"
