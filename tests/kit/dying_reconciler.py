"""A reconciler that dies after it applied reports and before it deletes them. Its arguments are REDIS_URL ID_KEY."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from callbacks.classifier import ReportClassifier
from callbacks.reconciler import Reconciler
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.id_key import IdKeyGuard
from times_dispatch.ledger.reports.report_applier import DeliveryReport, ReportApplier, ReportEffect
from times_dispatch.provider.correlation_ids import CorrelationIds


class DyingApplier(ReportApplier):
    """Kills its own process as soon as the ledger has applied a report."""

    async def apply(self, reports: Sequence[DeliveryReport]) -> list[ReportEffect]:
        results = await super().apply(reports)
        if reports:
            os.kill(os.getpid(), signal.SIGKILL)
        return results


async def main(redis_url: str, id_key: str) -> None:
    redis = connect(redis_url)
    classifier = ReportClassifier(CorrelationIds(id_key.encode()), relaying=False)
    await Reconciler(redis, DyingApplier(redis), classifier, IdKeyGuard(redis, id_key.encode())).run(asyncio.Event())


asyncio.run(main(*sys.argv[1:]))
