"""The form of addresses in settings: URLs without credentials, and ``host:port``."""

from ipaddress import ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator


def check_http_url(url: str) -> str:
    """Return a valid URL of http or https without credentials.

    Raises:
        ValueError: the URL cannot be used; the message does not repeat the URL.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("must be a URL that begins with https:// or http://")
    if parts.username or parts.password:
        raise ValueError("must not contain credentials: give them as environment variables")
    if not all(character.isprintable() and not character.isspace() for character in url):
        raise ValueError("must be a URL without spaces and control characters")
    return url


def _check_optional_http_url(url: str) -> str:
    return check_http_url(url) if url else url


def check_listen_address(address: str) -> str:
    """Return an address of the form ``host:port``; raise ``ValueError`` for another form."""
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError("must be host:port, as in 127.0.0.1:8085")
    return address


def check_network(network: str) -> str:
    """Return an IP address, or a network such as 10.0.0.0/8; raise ValueError for another form."""
    try:
        ip_network(network)
    except ValueError:
        raise ValueError("must be an IP address or a network, as in 10.0.0.0/8") from None
    return network


def check_networks(networks: str) -> str:
    """Return addresses and networks that are separated by commas; raise ``ValueError`` for another form."""
    return ",".join(check_network(network.strip()) for network in networks.split(","))


OptionalUrl = Annotated[str, AfterValidator(_check_optional_http_url)]
