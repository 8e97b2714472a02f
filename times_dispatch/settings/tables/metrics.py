"""``[metrics]``: the process that serves metrics to Prometheus."""

from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator, Field

from times_dispatch.settings.toml.strict_table import StrictTable
from times_dispatch.settings.values.addresses import check_listen_address


class MetricsSettings(StrictTable):
    """The address of the metrics, and the days whose messages the metrics count."""

    listen: Annotated[str, AfterValidator(check_listen_address)] = "127.0.0.1:8088"
    """The ``host:port`` at which the metrics process listens. Any other address than a loopback address needs
    ``DISPATCH_METRICS_TOKEN``."""
    days: Annotated[int, Field(ge=1, le=1_100)] = 8
    """The number of days, today included, whose messages the metrics count, by the day in India of the last push."""

    @property
    def is_on_loopback(self) -> bool:
        """Whether only this host can reach the process."""
        host = self.listen.rpartition(":")[0].strip("[]")
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"
