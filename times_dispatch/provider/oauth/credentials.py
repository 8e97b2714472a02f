"""The credentials of a request: nothing, HTTP Basic, or an OAuth token (docs/domain.md section 2)."""

from base64 import b64encode
from typing import Any, Protocol

import msgspec


class Authentication(Protocol):
    """Authenticates a request by its Authorization header.

    class ApiKey:
        def authorization(self) -> str:
            return f"ApiKey {self._key}"
    """

    def authorization(self) -> str:
        """Return the header's constant value; an empty value means that there is no constant header."""


class NoAuthentication(msgspec.Struct, frozen=True):
    """No Authorization header: there are no credentials, or they are in the payload or in other headers."""

    def authorization(self) -> str:
        """Return an empty value: no request has the header."""
        return ""


class BasicAuthentication(msgspec.Struct, frozen=True):
    """HTTP Basic, in UTF-8 (RFC 7617)."""

    username: str
    password: str

    def authorization(self) -> str:
        """Return ``Basic`` and the credentials in base 64."""
        return "Basic " + b64encode(f"{self.username}:{self.password}".encode()).decode()

    def __repr__(self) -> str:
        return "BasicAuthentication()"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


class ClientCredentials(msgspec.Struct, frozen=True, kw_only=True):
    """OAuth 2.0 client credentials (RFC 6749 section 4.4).

    The header is not constant: ``times_dispatch.provider.oauth.token_cache`` requests tokens with these credentials and
    renews them.
    """

    token_url: str
    client_id: str
    client_secret: str
    extra: tuple[tuple[str, str], ...] = ()
    """Further parameters of the token request, such as ``scope``."""
    in_body: bool = False
    """Whether id and secret are sent as ``client_id`` and ``client_secret`` in the form, instead of in HTTP Basic."""

    def authorization(self) -> str:
        """Return the empty string: each push gets its header from the token cache."""
        return ""

    def __repr__(self) -> str:
        return "ClientCredentials()"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []
