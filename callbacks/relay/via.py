"""The header Via (RFC 9110, section 7.6.3) names the relays through which a body came, so that loops are found."""

import re
import secrets
from typing import Any, Final

from redis.asyncio import Redis

from callbacks.streams import RELAY_ID

NAME_BEGINS: Final = "times-dispatch-"
"""How the name of a relay in the header Via begins."""
MAX_RELAYS: Final = 8
"""How many relays a body may come through; more relays are a loop in which relays drop each other's names."""
_RELAY_NAME: Final = re.compile(rb"times-dispatch-[0-9a-f]{16}")


def relays_in(via: str) -> list[bytes]:
    """Return the names of relays in the header Via, in their order and each once; at most one more than allowed."""
    return list(dict.fromkeys(_RELAY_NAME.findall(via.encode())))[: MAX_RELAYS + 1]


async def make_relay_id(redis: Redis) -> str:
    """Return the name of this ledger's relays; the first call makes the name. Raises Redis errors."""
    await redis.set(RELAY_ID, secrets.token_hex(8), nx=True)
    return await read_relay_id(redis)


async def read_relay_id(redis: Redis) -> str:
    """Return the name of this ledger's relays; empty if no relay ever ran. Raises Redis errors."""
    name: Any = await redis.get(RELAY_ID)
    return NAME_BEGINS + name.decode() if name else ""
