"""Numbers that are forgotten: the ledger knows them only by keyed digests, and no message goes to them any more.

A person who reads Redis cannot find out which numbers these are, because only the environment of processes has the key.
The key can never be changed, because the numbers are gone from which new digests could be made. So the ledger records a
digest of the key, and a command with another key, or without the key, is refused as soon as any number is forgotten.
"""

import struct
from collections.abc import Callable, Collection, Sequence
from hashlib import blake2b
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.errors import ForgetKeyRefused
from times_dispatch.ledger.keys import FORGOTTEN_KEY, FORGOTTEN_NUMBERS
from times_dispatch.ledger.model import Recipients
from times_dispatch.ledger.secret_digest import digest_secret

FORGOTTEN: Final = "000000"
"""The number that replaces a forgotten number. It is on the opt-out list, so no worker ever sends to it."""
_PURPOSE: Final = "forget key"
_DIGEST_BYTES: Final = 12
_ANOTHER_KEY: Final = "DISPATCH_FORGET_KEY is not the key with which numbers were forgotten"


class ForgottenNumbers:
    """Looks up and adds forgotten numbers. Numbers are E.164 digits without the plus."""

    def __init__(self, redis: Redis, key: bytes = b"") -> None:
        """Take the key of the digests, at least 16 bytes; empty if this process has no key."""
        self._redis = redis
        self._key = key
        self._known: frozenset[bytes] = frozenset()
        """The digests at the last time when their count had changed."""

    @property
    def key_digest(self) -> str:
        """A digest of the key; empty without a key."""
        return digest_secret(self._key, purpose=_PURPOSE) if self._key else ""

    def digest(self, number: str) -> bytes:
        """Return the digest of a number."""
        return blake2b(number.encode(), key=self._key, digest_size=_DIGEST_BYTES, person=b"forgotten").digest()

    async def are_there(self) -> bool:
        """Say whether any number is forgotten; raise ``ForgetKeyRefused`` if this process cannot look up numbers."""
        stored: Any = await self._redis.get(FORGOTTEN_KEY)
        if stored is None:
            return False
        if not self._key:
            raise ForgetKeyRefused("DISPATCH_FORGET_KEY is not set: set the key with which numbers were forgotten")
        if stored.decode() != self.key_digest:
            raise ForgetKeyRefused(_ANOTHER_KEY)
        return True

    def check_key(self, key_digests: Collection[str]) -> None:
        """Raise ``ForgetKeyRefused`` unless this key is the only one with which numbers were forgotten."""
        if self._key and set(key_digests) - {self.key_digest}:
            raise ForgetKeyRefused(_ANOTHER_KEY)

    async def add(self, number: str) -> str:
        """Add a number; return its digest in hexadecimal. Raises ``ForgetKeyRefused``."""
        digest = self.digest(number) if self._key else b""
        await self.add_digest(digest)
        return digest.hex()

    async def add_digest(self, digest: bytes) -> None:
        """Add a number by a digest that was made with the same key. Raises ``ForgetKeyRefused``."""
        if not self._key:
            raise ForgetKeyRefused("DISPATCH_FORGET_KEY is not set: set the key with which numbers are forgotten")
        await self._redis.set(FORGOTTEN_KEY, self.key_digest, nx=True)
        await self.are_there()
        await self._redis.sadd(FORGOTTEN_NUMBERS, digest)

    async def lookup(self) -> Callable[[str], bool] | None:
        """Return a function that says whether a number is forgotten; None if no number is. Raises ``ForgetKeyRefused``.

        The digests are read again only if their count has changed; no digest is ever removed.
        """
        if await self._redis.scard(FORGOTTEN_NUMBERS) != len(self._known):
            await self.are_there()
            members: Any = await self._redis.smembers(FORGOTTEN_NUMBERS)
            self._known = frozenset(members)
        if not self._known:
            return None
        known, digest = self._known, self.digest
        return lambda number: digest(number) in known

    async def contain(self, numbers: Sequence[str]) -> list[bool]:
        """Return for each number whether it is forgotten; raise ``ForgetKeyRefused``."""
        is_forgotten = await self.lookup()
        return [is_forgotten(number) for number in numbers] if is_forgotten else [False] * len(numbers)

    async def positions(self, numbers: Sequence[str]) -> list[int]:
        """Return the positions of the numbers that are forgotten; raise ``ForgetKeyRefused``."""
        is_forgotten = await self.lookup()
        return [position for position, number in enumerate(numbers) if is_forgotten(number)] if is_forgotten else []


def without_data(recipients: Recipients, indexes: Sequence[int]) -> Recipients:
    """Return recipients without the numbers and the values of some messages."""
    if not indexes:
        return recipients

    def blanked(column: Sequence[str], blank: str = "") -> list[str]:
        kept = list(column)
        for index in indexes:
            kept[index] = blank
        return kept

    return msgspec.structs.replace(
        recipients,
        to=blanked(recipients.to, FORGOTTEN),
        slots=[blanked(column) for column in recipients.slots],
        custom={name: blanked(column) for name, column in recipients.custom.items()},
        link_values=[blanked(column) for column in recipients.link_values],
    )


def packed_indexes(indexes: Sequence[int]) -> bytes:
    """Return indexes in a batch as the script ``forget_messages`` takes them."""
    return struct.pack(f">{len(indexes)}H", *indexes)
