"""The keys of the archive: each campaign has a data key, wrapped by a master key that only the environment holds.

A wrapped key is a JSON document with the name of the master key, and the data key, encrypted with AES-256-GCM. The name
of the archive is authenticated with the data key, so that no wrapped key can be used for another archive.
"""

import os
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import msgspec

from times_dispatch.archive.errors import ArchiveDamaged, ArchiveKeyMissing
from times_dispatch.unreadable_json import UNREADABLE_JSON

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

DATA_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class _WrappedKey(msgspec.Struct, frozen=True):
    """A data key in its stored form."""

    master: str
    """The name of the master key, from which nobody can compute the key."""
    nonce: bytes
    wrapped: bytes


class MasterKeys:
    """Wraps data keys with the master key, and opens data keys of the master key and of the old master key."""

    def __init__(self, key: bytes = b"", old_key: bytes = b"") -> None:
        """Take the keys from the environment; without a key nothing can be wrapped or opened."""
        self._keys = [each for each in (key, old_key) if each]
        self._current = _name(key) if key else ""

    @cached_property
    def _ciphers(self) -> "dict[str, AESGCM]":
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  # slow, and often not needed

        return {_name(each): AESGCM(_derived(each)) for each in self._keys}

    def __bool__(self) -> bool:
        return bool(self._current)

    def wrap(self, data_key: bytes, *, archive: str) -> bytes:
        """Return a data key, wrapped by the master key for the archive of this name; raise ``ArchiveKeyMissing``."""
        if not self._current:
            raise ArchiveKeyMissing("DISPATCH_ARCHIVE_KEY is not set; it wraps the keys of the archive")
        nonce = os.urandom(_NONCE_BYTES)
        wrapped = self._ciphers[self._current].encrypt(nonce, data_key, archive.encode())
        return msgspec.json.encode(_WrappedKey(self._current, nonce, wrapped))

    def unwrap(self, packed: bytes, *, archive: str) -> bytes:
        """Return the data key of an archive; raise ``ArchiveKeyMissing`` or ``ArchiveDamaged``."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415  # as above

        stored = _read(packed, archive)
        if (cipher := self._ciphers.get(stored.master)) is None:
            reason = "another key wrapped it" if self._ciphers else "DISPATCH_ARCHIVE_KEY is not set"
            raise ArchiveKeyMissing(f"archive {archive}: cannot be opened: {reason} (key {stored.master})")
        try:
            return cipher.decrypt(stored.nonce, stored.wrapped, archive.encode())
        except InvalidTag:
            raise ArchiveDamaged(f"archive {archive}: its wrapped key was changed, or is that of another") from None

    def is_current(self, packed: bytes, *, archive: str) -> bool:
        """Say whether the current master key wrapped this key, and not the old master key."""
        return _read(packed, archive).master == self._current


def new_data_key() -> bytes:
    """Return a new random data key."""
    return os.urandom(DATA_KEY_BYTES)


def _read(packed: bytes, archive: str) -> _WrappedKey:
    try:
        return msgspec.json.decode(packed, type=_WrappedKey)
    except UNREADABLE_JSON:
        raise ArchiveDamaged(f"archive {archive}: its wrapped key cannot be read") from None


def _name(key: bytes) -> str:
    return blake2b(key, digest_size=6, person=b"archive key name").hexdigest()


def _derived(key: bytes) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415  # as above
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    return HKDF(SHA256(), DATA_KEY_BYTES, salt=None, info=b"times-dispatch archive").derive(key)
