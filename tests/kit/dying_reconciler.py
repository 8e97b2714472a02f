"""A reconciler that is killed after it applied a group and before it says so; started with REDIS_URL ID_KEY."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from callbacks.classifier import ReportClassifier
from callbacks.reconciler import Reconciler
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.report_applier import Applied, DeliveryReport, ReportApplier
from times_dispatch.provider.ids import CorrelationIds


class Dying(ReportApplier):
    """The ledger as a reconciler sees it last."""

    async def apply(self, reports: Sequence[DeliveryReport]) -> list[Applied]:
        """Apply, and be gone."""
        answers = await super().apply(reports)
        if reports:
            os.kill(os.getpid(), signal.SIGKILL)
        return answers


async def main(redis_url: str, id_key: str) -> None:
    """Step until killed."""
    redis = connect(redis_url)
    reconciler = Reconciler(redis, Dying(redis), ReportClassifier(CorrelationIds(id_key.encode()), relaying=False))
    while True:
        await reconciler.step()


asyncio.run(main(*sys.argv[1:]))
