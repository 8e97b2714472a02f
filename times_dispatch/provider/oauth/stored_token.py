"""The content of the token store, and its encryption: only processes with the client secret can read a stored token."""

from base64 import urlsafe_b64encode
from hashlib import blake2b

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from times_dispatch.provider.oauth.credentials import ClientCredentials


class StoredToken(msgspec.Struct, frozen=True, omit_defaults=True):
    """A token, or the reason why there is none."""

    authorization: str = ""
    """The Authorization header; empty if there is no token."""
    lifetime_s: float = 0.0
    why_not: str = ""
    """Why there is no token, in a short sentence without secrets."""
    refused: bool = False
    """Whether the token server or the provider refused for a permanent reason."""

    def __repr__(self) -> str:
        return f"StoredToken(why_not={self.why_not!r})"


class TokenCipher:
    """Encrypts stored tokens with a key derived from the client secret."""

    def __init__(self, credentials: ClientCredentials) -> None:
        secret = blake2b(credentials.client_secret.encode(), digest_size=32, person=b"dispatch-token")
        self._key = urlsafe_b64encode(secret.digest())
        self._fernet = Fernet(self._key)
        self._identity = msgspec.json.encode((credentials.token_url, credentials.client_id, credentials.extra))

    def store_name(self, nickname: str) -> str:
        """Return the name of a provider's token in the store, which differs for other credentials."""
        return f"{nickname}:{blake2b(self._identity, key=self._key, digest_size=6).hexdigest()}"

    def encrypt(self, stored: StoredToken) -> bytes:
        """Return the encrypted form of a token for the store."""
        return self._fernet.encrypt(msgspec.json.encode(stored))

    def decrypt(self, encrypted: bytes) -> StoredToken | None:
        """Return a stored token; None for bytes that were not encrypted with this key."""
        try:
            return msgspec.json.decode(self._fernet.decrypt(encrypted), type=StoredToken)
        except (InvalidToken, msgspec.DecodeError):
            return None
