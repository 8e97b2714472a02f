"""The alerts process, ``python -m times_dispatch.alerts``, notifies people of alerts; a second process may run."""

import asyncio
import sys
from typing import Final

import structlog

from times_dispatch.alerts.observation import Observer
from times_dispatch.alerts.service import AlertService
from times_dispatch.alerts.targets import AppriseTarget, TargetInvalid, keep_addresses_out_of_logs
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.monitoring.alerts import AlertStore
from times_dispatch.ledger.monitoring.heartbeats import Heartbeat, ProcessKind
from times_dispatch.process import run_until_signalled
from times_dispatch.settings.load import Need
from times_dispatch.settings.model import Settings
from times_dispatch.settings.startup import load_settings_or_exit

log = structlog.get_logger(__name__)

_TIMEOUT_S: Final = 3.0
"""The time within which Redis must answer one call."""


async def serve(settings: Settings, targets: dict[str, AppriseTarget]) -> None:
    """Observe the ledger and notify people until a signal arrives."""
    async with connect(settings.redis_url, socket_timeout_s=_TIMEOUT_S, retries=0) as redis:
        service = AlertService(AlertStore(redis), Observer(redis).observe, settings.alerts, targets)
        heartbeat = Heartbeat(redis, ProcessKind.ALERTS, figures=service.figures, path=settings.heartbeat_path)
        log.info("alerts process started", targets=sorted(targets))
        await run_until_signalled(service.run, heartbeat.run)
    log.info("alerts process stopped")


def main() -> None:
    """Run the process with the settings that the environment names."""
    settings = load_settings_or_exit(Need.LEDGER, Need.ALERTS)
    keep_addresses_out_of_logs()
    try:
        targets = {name: AppriseTarget(name, url) for name, url in settings.alert_urls.items()}
    except TargetInvalid as invalid:
        sys.stderr.write(f"{invalid}\n")
        sys.exit(2)
    asyncio.run(serve(settings, targets))


if __name__ == "__main__":
    main()
