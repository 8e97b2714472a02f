"""``[links]``: tracked links, and the process that answers clicks on them (docs/links.md)."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from times_dispatch.settings.toml.strict_table import StrictTable
from times_dispatch.settings.values.addresses import check_listen_address
from times_dispatch.settings.values.durations import check_duration, parse_seconds

_URL = re.compile(r"(?:https?://)?[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::[0-9]{1,5})?")


def _check_url(url: str) -> str:
    if url and not _URL.fullmatch(url):
        raise ValueError(f"must be a domain in lower case, as in go.brand.in or https://go.brand.in, is {url!r}")
    return url


class LinkSettings(StrictTable):
    """The domain of tracked links, and the process that answers clicks."""

    url: Annotated[str, AfterValidator(_check_url)] = ""
    """The beginning of tracked links in texts, such as ``https://go.brand.in`` or ``go.brand.in``, which saves eight
    characters. If empty, campaigns can have no tracked links.
    """
    listen: Annotated[str, AfterValidator(check_listen_address)] = "127.0.0.1:8087"
    """The ``host:port`` at which the links process listens."""
    expire_after: Annotated[str, AfterValidator(check_duration)] = "7d"
    """How long links work after the validity of their campaign has ended."""
    with_receiver: bool = False
    """Whether the receiver answers clicks too, so that no links process is needed."""
    max_per_address: Annotated[int, Field(ge=1, le=100_000)] = 2_000
    """The maximum number of connections (behind a trusted proxy, of current requests) of one address. Thousands of
    phones may share one address of their operator.
    """

    @property
    def expire_after_s(self) -> int:
        """The setting ``expire_after`` in seconds."""
        return parse_seconds(self.expire_after)
