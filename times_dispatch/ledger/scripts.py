"""The ledger's scripts, loaded from ``lua/`` and called by name."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import Any

from redis.asyncio import Redis

from times_dispatch.ledger.model import CampaignId, SenderId

Argument = str | bytes | int | float


def text(value: object) -> str:
    """Return what Redis replied (bytes, or a number) as text."""
    return value.decode() if isinstance(value, bytes) else str(value)


def tag(sender: SenderId) -> str:
    """Return the hash tag with which all keys of a sender begin, so that they share a slot of a Redis Cluster."""
    return "{" + sender + "}"


def campaign_key(sender: SenderId, campaign: CampaignId) -> str:
    """Return the key of a campaign's hash; the keys of its batches begin with it."""
    return f"{tag(sender)}:c:{campaign}"


_exchanged_libs = dict[str, str]()


@contextmanager
def exchanged_lib(name: str, text: str) -> Iterator[None]:
    """Use *text* in place of ``lua/lib/<name>.lua`` in every ``Script`` that is made inside this context.

    A simulation, or a test, gives the scripts a clock of its own in this way: a lib ``clock`` must define
    ``local function now_us()``, which returns microseconds since the epoch.
    """
    before = dict(_exchanged_libs)
    _exchanged_libs[name] = text
    try:
        yield
    finally:
        _exchanged_libs.clear()
        _exchanged_libs.update(before)


def source(name: str) -> str:
    """Return the text of a script of ``lua/``, with the libs that it uses before it."""
    folder = resources.files("times_dispatch.ledger") / "lua"
    clock = _exchanged_libs.get("clock") or (folder / "lib" / "clock.lua").read_text("utf-8")
    return clock + (folder / "prelude.lua").read_text("utf-8") + (folder / f"{name}.lua").read_text("utf-8")


class Script:
    """One script of ``lua/``.

    Calls are EVALSHA; the text is sent again when the server does not know it (any more).
    """

    def __init__(self, redis: Redis, name: str) -> None:
        self._redis = redis
        self._script = redis.register_script(source(name))

    async def __call__(self, sender: SenderId, *arguments: Argument) -> Any:
        """Run the script on the sender's keys and return its reply."""
        return await self._script(keys=[tag(sender)], args=arguments)

    async def for_each(self, senders: Sequence[SenderId], *arguments: Argument) -> list[Any]:
        """Run the script for many senders in one round trip; return their replies, or the errors in their places."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for sender in senders:
                await self._script(keys=[tag(sender)], args=arguments, client=pipe)
            return await pipe.execute(raise_on_error=False)
