"""The filter beside the rows of an archive, which says of a phone number that it is not in there.

It is a Bloom filter of two bytes a message. The number alone decides in which chunk of the filter its bits are, so that
a search reads one chunk of a kilobyte, however many messages the archive has. Of numbers that are not in the archive,
fewer than one in a thousand are taken for numbers that may be there. Each chunk is encrypted under the data key of the
archive, and names its place and its archive: without the key nobody learns anything of a number, and whoever may write
into the folder can hide none.
"""

import os
from collections.abc import Iterable
from hashlib import blake2b
from struct import Struct
from typing import IO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from times_dispatch.archive.errors import ArchiveDamaged

_CHUNK_BYTES: Final = 1_024
_TAG_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_MESSAGES_OF_CHUNK: Final = _CHUNK_BYTES // 2
_WORDS: Final = Struct("<7H2xI")
"""Of the digest of a number: the places of seven bits, and what chooses the chunk."""
_BYTE_SHIFT: Final = 6
"""The highest ten bits of a word name a byte of the chunk, and the lowest three a bit of the byte."""
_CHOICE_BITS: Final = 32


class NumberFilter:
    """The filter of an archive that is being written."""

    def __init__(self, messages: int) -> None:
        """Begin a filter for so many messages."""
        self._chunks = max(1, -(-messages // _MESSAGES_OF_CHUNK))
        self._bits = bytearray(self._chunks * _CHUNK_BYTES)

    def add(self, numbers: Iterable[str]) -> None:
        """Add numbers, each a string of digits, with the country's code."""
        bits, chunks = self._bits, self._chunks
        for number in numbers:
            *words, choice = _WORDS.unpack(_digest(number))
            first = (choice * chunks >> _CHOICE_BITS) * _CHUNK_BYTES
            for word in words:
                bits[first + (word >> _BYTE_SHIFT)] |= 1 << (word & 7)

    def write(self, file: IO[bytes], *, data_key: bytes, archive: str) -> None:
        """Write the filter, encrypted; a data key encrypts one filter and no other."""
        cipher = _cipher(data_key)
        for chunk in range(self._chunks):
            content = bytes(self._bits[chunk * _CHUNK_BYTES : (chunk + 1) * _CHUNK_BYTES])
            file.write(cipher.encrypt(_nonce(chunk), content, _context(archive, self._chunks)))


def may_hold(file: IO[bytes], number: str, *, data_key: bytes, archive: str) -> bool:
    """Say whether an archive may have a message to a number.

    Args:
        file: the filter of the archive.
        number: digits.
        data_key: the key of the archive.
        archive: the name of the archive.

    Raises:
        ArchiveDamaged: the filter was changed, cut, or is that of another archive.
    """
    chunks = file.seek(0, os.SEEK_END) // (_CHUNK_BYTES + _TAG_BYTES)
    *words, choice = _WORDS.unpack(_digest(number))
    chunk = choice * chunks >> _CHOICE_BITS
    file.seek(chunk * (_CHUNK_BYTES + _TAG_BYTES))
    stored = file.read(_CHUNK_BYTES + _TAG_BYTES)
    try:
        bits = _cipher(data_key).decrypt(_nonce(chunk), stored, _context(archive, chunks))
    except InvalidTag:
        raise ArchiveDamaged(f"archive {archive}: its filter of numbers was changed, or is that of another") from None
    return all(bits[word >> _BYTE_SHIFT] >> (word & 7) & 1 for word in words)


def _digest(number: str) -> bytes:
    return blake2b(number.encode(), digest_size=_WORDS.size, person=b"archive numbers").digest()


def _cipher(data_key: bytes) -> AESGCM:
    return AESGCM(blake2b(key=data_key, digest_size=32, person=b"number filter").digest())


def _nonce(chunk: int) -> bytes:
    return chunk.to_bytes(_NONCE_BYTES, "big")


def _context(archive: str, chunks: int) -> bytes:
    """Return what is authenticated with each chunk."""
    return f"{archive} {chunks}".encode()
