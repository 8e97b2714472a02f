"""Steps of upkeep, and steps in which delivery reports arrive."""

from typing import Any

from hypothesis import strategies as st

from tests.kit.ledger import SENDER
from tests.kit.ledger_machine.working import WorkSteps
from tests.kit.ledger_model import endings
from tests.kit.ledger_model.campaign import BatchKey
from tests.kit.ledger_model.reports import apply_reports
from times_dispatch.ledger.keys import CampaignField, campaign_key
from times_dispatch.ledger.model import BatchRef, CampaignId
from times_dispatch.ledger.reports.report_applier import DeliveryReport, ReportEffect

KINDS: list[Any] = ["delivered", "failed", "failed", "intermediate", "clicked", "replied"]
REACTION = 914
"""Clicks and replies with this code get a digest and count as reactions; without a digest they only prove a push."""
UPKEEP = ["lapse", "lapse", "renew", "settle", "end", "window", "window"]
LATE_EVENTS = [
    "the validity ends",
    "the validity ends of a stopped campaign",
    "reports are overdue",
    "a person cancels",
]
TEN_YEARS_MS = 3_650 * 86_400_000


class UpkeepSteps(WorkSteps):
    """The steps of upkeep and of the reconciler."""

    def report(self, data: st.DataObject) -> None:
        begun = [
            batch_key for batch_key in self.batch_keys() if batch_key[1] in self.model.campaigns[batch_key[0]].begun
        ]
        name, number = data.draw(st.sampled_from(begun * 5 + self.batch_keys()[:1]))
        campaign = self.model.campaigns[name]
        # The index after the end of a full batch would be the first of the next batch.
        last = campaign.size - 1 if number + 1 < campaign.batches else len(campaign.batch(number))
        row = st.tuples(
            st.integers(0, last),
            st.sampled_from([0, 0, 0, 0, 0, 0, 0, 1, 1, 2]),
            st.sampled_from(KINDS),
            st.sampled_from([901, 914]),
        )
        self.apply((name, number), data.draw(st.lists(row, min_size=1, max_size=10)))

    def apply(self, batch_key: BatchKey, rows: list[tuple[int, int, Any, int]]) -> None:
        name, number = batch_key
        campaign = self.model.campaigns[name]
        first = number * campaign.size
        reacted = {index for index, _, kind, code in rows if kind in {"clicked", "replied"} and code == REACTION}
        reports = [
            DeliveryReport(
                *(CampaignId(name), first + index, attempt, kind, code, 1_795_000_000),
                digest=index.to_bytes(8, "big") if kind in {"clicked", "replied"} and code == REACTION else b"",
            )
            for index, attempt, kind, code in rows
        ]
        effects = self.run(self.ledger.report_applier.apply(reports))
        assert effects == apply_reports(self.model, batch_key, rows, reacted=reacted)
        for report, effect in zip(reports, effects, strict=True):
            if report.kind in {"intermediate", "clicked", "replied"} and effect is not ReportEffect.UNKNOWN:
                self.seen.arrived.add((name, report.index))
            if report.index < len(campaign.messages):
                message = campaign.messages[report.index]
                if message.state == "f" or message.has_failed:  # the attempt that was known to have arrived has failed
                    self.seen.arrived.discard((name, report.index))
            if effect in {ReportEffect.APPLIED, ReportEffect.CORRECTED}:
                self.unproved = {key for key in self.unproved if key[:2] != (batch_key, report.index - first)}

    def keep_up(self, data: st.DataObject) -> None:
        self.upkeep(data, data.draw(st.sampled_from(UPKEEP)))

    def upkeep(self, data: st.DataObject, step: str) -> None:
        match step:
            case "lapse" if self.model.out:
                self.expire_leases(
                    data.draw(st.lists(st.sampled_from(sorted(self.model.out)), unique=True, min_size=1))
                )
            case "renew":
                held = self.run(self.ledger.leases.renew(SENDER, [worker.lease for worker in self.workers]))
                assert held == [self.model.holds(worker.batch_key, worker.lease.token) for worker in self.workers]
            case "settle":
                self.run(self.ledger.make_all_due())
                settled = self.run(self.ledger.maintenance.settle_overdue(SENDER))
                assert settled == endings.settle_overdue(self.model)
            case "end":
                assert self.run(self.ledger.maintenance.end_pending(SENDER)) == endings.end_pending(self.model)
            case "window":
                opens_in_ms = data.draw(st.sampled_from([-1_000, -1_000, 1_000, 50_000]))
                self.open_send_window(self.some_campaign(data), opens_in_ms=opens_in_ms)

    def expire_leases(self, batch_keys: list[BatchKey]) -> None:
        self.run(
            self.ledger.expire_leases(*(BatchRef(SENDER, CampaignId(name), number) for name, number in batch_keys))
        )
        reclaimed, in_doubt, ready_batches = self.run(self.ledger.maintenance.expire_leases(SENDER))
        again = [(ready.ref.campaign, ready.ref.number) for ready in ready_batches]
        assert (reclaimed, in_doubt, again) == self.model.expire_leases(batch_keys)

    def late_event(self, data: st.DataObject) -> None:
        """Inject an event near the end of a campaign's life; upkeep may or may not run after it."""
        name, event = self.some_campaign(data), data.draw(st.sampled_from(LATE_EVENTS))
        match event:
            case "reports are overdue":
                self.set_report_wait(name, -1)
            case "the validity ends" if data.draw(st.booleans()):
                self.end_validity(name)
            case "the validity ends of a stopped campaign" if self.model.campaigns[name].is_in_doubt():
                self.control(name, data.draw(st.sampled_from(["pause", "brake"])))
                self.compare()
                if self.model.out:
                    self.expire_leases(sorted(self.model.out))
                self.end_validity(name)
            case "a person cancels" if data.draw(st.integers(0, 2)) == 0:
                self.control(name, "cancel")
        for step in data.draw(st.sampled_from([["end", "settle"], ["lapse", "end", "settle"], ["settle"], []])):
            self.upkeep(data, step)
            self.compare()
        self.set_report_wait(name, TEN_YEARS_MS)

    def end_validity(self, name: str) -> None:
        self.run(self.ledger.end_validity(CampaignId(name)))
        self.model.campaigns[name].expired = self.model.campaigns[name].may_end = True

    def set_report_wait(self, name: str, wait_ms: int) -> None:
        key = campaign_key(SENDER, CampaignId(name))
        self.run(self.ledger.redis.hset(key, CampaignField.REPORT_WAIT_MS, wait_ms))
        self.model.campaigns[name].report_wait_ms = wait_ms
