"""The memory that the keys of Redis take."""

from redis.asyncio import Redis


async def memory_of_keys(redis: Redis) -> int:
    """Return the bytes that Redis uses without the buffers of its clients, which some servers keep in use."""
    memory = await redis.info("memory")
    return int(memory["used_memory"]) - int(memory["mem_clients_normal"])
