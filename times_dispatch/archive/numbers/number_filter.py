"""The filter beside the rows of an archive: it shows that a phone number is certainly not in the archive.

The filter is a Bloom filter with two bytes for each message. The digest of a number chooses the chunk that holds the
number's bits, so a search reads one chunk of a kilobyte, whatever the size of the archive. Fewer than one in a thousand
numbers outside the archive look like numbers that may be inside. Each chunk is encrypted and authenticated under the
data key of the archive, together with the chunk's position and the archive's name. Without the key, the filter reveals
no number, and a change to the file is detected.
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
"""The parts of a number's digest: seven words that give the positions of bits, and the word that chooses the chunk."""
_BYTE_SHIFT: Final = 6
"""The highest ten bits of a word are the index of a byte of the chunk, and the lowest three are a bit of this byte."""
_CHOICE_BITS: Final = 32


class NumberFilter:
    """The filter of an archive that is being written."""

    def __init__(self, messages: int) -> None:
        """Make an empty filter for an archive of this number of messages."""
        self._chunks = max(1, -(-messages // _MESSAGES_OF_CHUNK))
        self._bits = bytearray(self._chunks * _CHUNK_BYTES)

    def add(self, numbers: Iterable[str]) -> None:
        """Add phone numbers, each a string of digits with the country code."""
        bits, chunks = self._bits, self._chunks
        for number in numbers:
            *words, choice = _WORDS.unpack(_digest(number))
            first = (choice * chunks >> _CHOICE_BITS) * _CHUNK_BYTES
            for word in words:
                bits[first + (word >> _BYTE_SHIFT)] |= 1 << (word & 7)

    def write(self, file: IO[bytes], *, data_key: bytes, archive: str) -> None:
        """Write the encrypted filter; a data key must encrypt only one filter, because nonces repeat."""
        cipher = _cipher(data_key)
        for chunk in range(self._chunks):
            content = bytes(self._bits[chunk * _CHUNK_BYTES : (chunk + 1) * _CHUNK_BYTES])
            file.write(cipher.encrypt(_nonce(chunk), content, _context(archive, self._chunks)))


def may_hold(file: IO[bytes], number: str, *, data_key: bytes, archive: str) -> bool:
    """Say whether an archive may have a message to a number.

    Args:
        file: the filter of the archive.
        number: the phone number, a string of digits with the country code.
        data_key: the key of the archive.
        archive: the name of the archive.

    Raises:
        ArchiveDamaged: the filter was changed or cut, or belongs to another archive.
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
    """Return the data that is authenticated with each chunk, besides the chunk itself."""
    return f"{archive} {chunks}".encode()
