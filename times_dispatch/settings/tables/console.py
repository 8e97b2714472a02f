"""``[console]``: the web pages on which people see and control campaigns."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import AfterValidator, Field

from times_dispatch.settings.toml.strict_table import StrictTable
from times_dispatch.settings.values.addresses import OptionalUrl, check_listen_address, check_network
from times_dispatch.settings.values.durations import check_duration, parse_seconds

MIN_SECRET: int = 32
"""The fewest characters of the secret that signs sessions."""


class ConsoleSettings(StrictTable):
    """The addresses of the console, and the rules of logins."""

    listen: Annotated[str, AfterValidator(check_listen_address)] = "127.0.0.1:8089"
    """The ``host:port`` at which the console listens."""
    public_url: OptionalUrl = ""
    """The URL at which people reach the console. With ``http://``, browsers send the console's cookies without TLS."""
    users: Annotated[str, Field(min_length=1)] = "console-users.toml"
    """The file with the users, relative to the settings file."""
    session: Annotated[str, AfterValidator(check_duration)] = "12h"
    """How long a login lasts."""
    user_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{0,64}$")] = ""
    """The header in which a trusted proxy names the logged-in user, such as ``X-Forwarded-User``."""
    trusted_proxies: list[Annotated[str, AfterValidator(check_network)]] = Field(default=[])
    """The addresses or networks of proxies whose ``user_header`` and ``X-Forwarded-For`` the console trusts."""

    @property
    def trusted_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The setting ``trusted_proxies`` as networks."""
        return tuple(map(ip_network, self.trusted_proxies))

    @property
    def session_s(self) -> int:
        """The setting ``session`` in seconds."""
        return parse_seconds(self.session, min_s=60)

    @property
    def has_secure_cookies(self) -> bool:
        """Whether browsers send the cookies over TLS only. Browsers also treat 127.0.0.1 and localhost as safe."""
        return not self.public_url.startswith("http://")
