"""Digests of secrets, which are stored in Redis so that processes notice if they have different secrets."""

from functools import cache
from hashlib import pbkdf2_hmac
from typing import Final

_ROUNDS: Final = 200_000
_DIGEST_BYTES: Final = 16


@cache
def digest_secret(secret: bytes, *, purpose: str) -> str:
    """Return the digest of a secret in hexadecimal: the same in every process, and different for every purpose.

    The digest tells only whether two secrets are equal. A person who reads the digest in Redis can still test guesses
    offline. The settings refuse a secret of fewer than 16 bytes, so a random secret cannot be guessed. A secret that a
    person made up can be guessed, and therefore each test costs 200,000 rounds of SHA-256, about a tenth of a second.
    This is far more than the cost of a test against a correlation id, for which an id in a delivery report suffices.

    Args:
        secret: at least 16 bytes.
        purpose: the use of the secret; part of the salt.
    """
    salt = f"times-dispatch {purpose}".encode()
    return pbkdf2_hmac("sha256", secret, salt, _ROUNDS, dklen=_DIGEST_BYTES).hex()
