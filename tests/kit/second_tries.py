"""A ledger with second tries, whose clock a test moves."""

from typing import Any

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from tests.kit.ledger_machine.clock import MachineClock
from times_dispatch.ledger.keys import CampaignKey, campaign_key
from times_dispatch.ledger.maintenance import Settled
from times_dispatch.ledger.model import RetryRule
from times_dispatch.ledger.reports.report_applier import ReportEffect
from times_dispatch.ledger.statistics.figures import Statistics, statistics_of
from times_dispatch.ledger.statistics.rollups import StatisticsReader

NOON_S = 1_893_825_420
"""4 January 2030, 12:07 in India, in seconds since the epoch; the real clock of Redis is years behind."""
RULE = RetryRule(codes=[912, 914], after_s=[900, 3_600], at_most=2)
MINUTE_S = 60
KEY = campaign_key(SENDER, CAMPAIGN)


class Tries:
    """A ledger whose clock a test moves."""

    def __init__(self, ledger: Ledger, clock: MachineClock) -> None:
        self.ledger, self._clock = ledger, clock
        self.now_s = NOON_S

    async def begin(self, messages: int = 3, *, rule: RetryRule | None = RULE, **changes: Any) -> None:
        await self._set_clock()
        changes = {"valid_until_ms": (NOON_S + 86_400) * 1000, **changes}
        await self.ledger.submit(messages, retry=rule, **changes)
        await self.ledger.send_all()

    async def later(self, seconds: float, *, decided_ms: int = 0) -> Settled:
        """Let time pass, and settle the messages that are due; *decided_ms* as in ``Maintenance.settle_overdue``."""
        self.now_s += int(seconds)
        await self._set_clock()
        return await self.ledger.maintenance.settle_overdue(SENDER, decided_ms=decided_ms)

    async def _set_clock(self) -> None:
        self._clock.now_us = self.now_s * 1_000_000
        await self._clock.write(self.ledger.redis)

    async def fail(self, index: int = 0, *, attempt: int = 0, code: int = 912) -> list[ReportEffect]:
        return await self.ledger.report("failed", index=index, attempt=attempt, code=code, ts=self.now_s)

    async def waiting(self) -> int:
        view = await self.ledger.view()
        bits = await self.ledger.redis.bitcount(f"{KEY}:{CampaignKey.RETRIES}")
        assert bits == view.retries_waiting
        return view.retries_waiting

    async def attempts(self) -> list[int]:
        return [message.record.attempt for message in await self.ledger.messages()]

    async def codes(self) -> list[int]:
        return [message.record.code for message in await self.ledger.messages()]

    async def statistics(self) -> Statistics:
        return statistics_of(await StatisticsReader(self.ledger.redis).campaign(SENDER, CAMPAIGN))
