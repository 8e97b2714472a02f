"""Property tests of the ledger's scripts: random interleavings, compared with a reference model after each step.

Several workers act, some of them after losing their leases; reports of every kind arrive at any time; people pause,
cancel and resolve; upkeep runs. ``LEDGER_EXAMPLES=3000 pytest tests/times_dispatch/ledger/test_ledger_properties.py``
tries more examples and shrinks a failure.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, cast

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.kit.ledger import PROVIDER, SENDER, Ledger
from tests.kit.ledger_and_model import CODES, PUSH_RESULTS, LeaseHolder, LedgerAndModel
from tests.kit.ledger_drain import finish_all
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.maintenance import Maintenance
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.openings import BatchClosed, Block, Opened, new_operation
from times_dispatch.ledger.protocol import CloseReason
from times_dispatch.ledger.push_results import Result
from times_dispatch.ledger.report_applier import DeliveryReport, ReportApplier, ReportEffect

LONGER = os.environ.get("LEDGER_EXAMPLES")
EXAMPLES = int(LONGER or min(40, settings().max_examples))
PHASES = [Phase.explicit, Phase.reuse, Phase.generate, *([Phase.shrink] if LONGER else [])]
STEPS = 30
MAX_CAMPAIGNS = 5
WORK = [
    "begin",
    "take",
    "open",
    "open",
    "open",
    "record",
    "record",
    "record",
    "again",
    "release",
    "late_worker",
    "lose_block",
]
KINDS: list[Any] = ["delivered", "failed", "failed", "intermediate", "clicked", "replied"]
LATE_EVENTS = [
    "the validity ends",
    "the validity ends of a stopped campaign",
    "reports are overdue",
    "a person cancels",
]


class Scripts(LedgerAndModel, RuleBasedStateMachine):
    """The state machine: every action that is possible on the ledger, in any order."""

    def __init__(self, ledger: Ledger, run: Callable[[Awaitable[Any]], Any]) -> None:
        RuleBasedStateMachine.__init__(self)
        LedgerAndModel.__init__(self, ledger, run)

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.run(self.ledger.redis.flushall())
        self.ledger.report_applier = ReportApplier(
            self.ledger.redis
        )  # the applier remembers campaigns of the previous example
        for _ in range(data.draw(st.integers(1, 2))):
            self.submit(data)

    @rule(data=st.data(), steps=st.lists(st.sampled_from(WORK), min_size=1, max_size=10))
    def work(self, data: st.DataObject, steps: list[str]) -> None:
        for step in steps:
            # Without these two steps, most sequences would do nothing.
            if not self.model.out and not self.model.may_go_on():
                self.revive(data)
            kind = step if self.holders() or (step == "late_worker" and self.workers) else "begin"
            getattr(self, f"work_{kind}")(data)
            self.compare()

    def revive(self, data: st.DataObject) -> None:
        """Resume all that is stopped, and submit another campaign if nothing can be sent then."""
        self.stop_sender("")
        for name in self.model.campaigns:
            self.raise_budget(name)
            self.open_send_window(name)
            self.control(name, "resume")
        if not self.model.may_go_on() and len(self.model.campaigns) < MAX_CAMPAIGNS:
            self.submit(data)

    def some_worker(self, data: st.DataObject) -> LeaseHolder:
        return data.draw(st.sampled_from(self.holders()))

    def work_begin(self, data: st.DataObject) -> None:
        issued = self.run(self.ledger.issue())
        assert sorted((ref.campaign, ref.number) for ref in issued) == sorted(self.model.issue())
        untaken = sorted(batch_key for batch_key, hold in self.model.out.items() if not hold.token)
        for batch_key in data.draw(st.lists(st.sampled_from(untaken), unique=True, min_size=1)) if untaken else []:
            self.take(batch_key)

    def work_take(self, data: st.DataObject) -> None:
        """Take any batch: held by another worker, not handed out, or free."""
        self.take(data.draw(st.sampled_from(self.batch_keys())))

    def work_open(self, data: st.DataObject) -> None:
        self.open(self.some_worker(data), data.draw(st.sampled_from([1, 2, 3, 30])))

    def work_again(self, data: st.DataObject) -> None:
        """Repeat the last call of open_block, whatever happened since."""
        worker = self.some_worker(data)
        if worker.blocks:
            opened = self.run(self.ledger.leases.open_block(worker.lease, max_messages=4, operation=worker.opened_by))
            last = max(worker.blocks)
            assert (opened.number, opened.messages) == (last, worker.blocks[last])

    def work_record(self, data: st.DataObject) -> None:
        self.record(data, self.some_worker(data))

    def work_release(self, data: st.DataObject) -> None:
        self.release(self.some_worker(data))

    def work_lose_block(self, data: st.DataObject) -> None:
        """Let a power cut take an opening away from the ledger; the worker pushes the block, and gives up the lease."""
        worker = self.some_worker(data)
        redis, last = self.ledger.redis, max(worker.blocks, default=0)
        on_disk: dict[Any, Any] = {key: self.run(redis.dump(key)) for key in self.run(redis.keys())}

        def open_next(last_block: int) -> Opened:
            opened: Opened = self.run(
                self.ledger.leases.open_block(
                    worker.lease, max_messages=3, operation=new_operation(), last_block=last_block
                )
            )
            return opened

        lost = open_next(last)
        self.run(redis.flushdb())
        for key, dumped in on_disk.items():
            self.run(redis.restore(key, 0, dumped))
        if not isinstance(lost, Block):
            return
        assert open_next(lost.number) == BatchClosed(CloseReason.BLOCKS_LOST)
        letters = [data.draw(st.sampled_from(PUSH_RESULTS)) for _ in lost.messages]
        pushed = [
            (index, lost.number, result, CODES[result])
            for (index, _), result in zip(lost.messages, letters, strict=True)
        ]
        results = [Result(index, block, result.encode(), code, "7", 1) for index, block, result, code in pushed]
        for _ in range(2):
            self.both(
                lambda: self.ledger.leases.record(worker.lease, results, provider=PROVIDER),
                lambda: self.model.record(worker.batch_key, worker.lease.token, pushed, brake=False),
            )
            self.compare()
        for (index, attempt), result in zip(lost.messages, letters, strict=True):
            key = (worker.batch_key, index, attempt)
            assert self.opened.get(key) is None, f"{key} is opened twice, and was not given back"
            self.opened[key] = None if result in "pb" else (worker.lease.token, lost.number)
        self.release(worker)

    def work_late_worker(self, data: st.DataObject) -> None:
        """Let any worker that ever took a lease act on it."""
        worker = data.draw(st.sampled_from(self.workers[-6:]))
        match data.draw(st.sampled_from(["open", "record", "release"])):
            case "open":
                self.open(worker, 4)
            case "record":
                self.record(data, worker)
            case "release":
                self.release(worker)

    def some_campaign(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.model.campaigns)))

    @rule(data=st.data())
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
        rows = data.draw(st.lists(row, min_size=1, max_size=10))
        reports = [
            DeliveryReport(CampaignId(name), number * campaign.size + index, attempt, kind, code, 1_795_000_000)
            for index, attempt, kind, code in rows
        ]
        answers = self.run(self.ledger.report_applier.apply(reports))
        assert answers == self.model.report((name, number), rows)
        for report, answer in zip(reports, answers, strict=True):
            if report.kind in {"intermediate", "clicked", "replied"} and answer is not ReportEffect.UNKNOWN:
                self.arrived.add((name, report.index))

    @rule(data=st.data(), action=st.sampled_from(["resume", "resume", "resume", "pause", "brake", "sender"]))
    def act_as_a_person(self, data: st.DataObject, action: Any) -> None:
        if action == "sender":
            self.stop_sender(data.draw(st.sampled_from(["", "", "sender_paused", "provider_braked"])))
        else:
            self.control(self.some_campaign(data), action)

    @rule(data=st.data())
    def close_send_window(self, data: st.DataObject) -> None:
        name = self.some_campaign(data)
        if self.run(self.ledger.redis.hexists(campaign_key(SENDER, CampaignId(name)), "send_window_closes_ms")):
            self.run(self.ledger.close_send_window(campaign=CampaignId(name)))
            self.model.campaigns[name].shut = True

    @rule(data=st.data(), step=st.sampled_from(["lapse", "lapse", "renew", "settle", "end"]))
    def keep_up(self, data: st.DataObject, step: str) -> None:
        self.upkeep(data, step)

    @rule(data=st.data(), how=st.sampled_from(["sent", "resend", "resend"]))
    def resolve(self, data: st.DataObject, how: Any) -> None:
        name = self.some_campaign(data)
        resolved = self.run(self.ledger.control.resolve(SENDER, CampaignId(name), how))
        assert resolved == self.model.resolve(name, how)

    @rule(data=st.data(), event=st.sampled_from(LATE_EVENTS))
    def late_event(self, data: st.DataObject, event: str) -> None:
        """Inject an event near the end of a campaign's life; upkeep may or may not run after it."""
        name = self.some_campaign(data)
        match event:
            case "reports are overdue":
                self.let_reports_be_overdue(name, overdue=True)
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
        self.let_reports_be_overdue(name, overdue=False)

    @invariant()
    def the_ledger_is_as_the_model_says(self) -> None:
        self.compare()

    def teardown(self) -> None:
        """Finish all campaigns: no message may be lost."""
        if self.model.campaigns:
            self.run(asyncio.wait_for(finish_all(self.ledger, self.model), 30))


def test_no_sequence_breaks_the_sum_of_the_counters_opens_twice_or_loses_a_message(
    redis_server: EmbeddedServer,
) -> None:
    loop = asyncio.new_event_loop()
    try:
        redis = connect(redis_server.url)
        ledger = Ledger(redis)
        ledger.leases, ledger.maintenance = BatchLeases(redis, lease_s=3_600), Maintenance(redis, lease_s=3_600)
        run_state_machine_as_test(
            cast("type[Scripts]", lambda: Scripts(ledger, loop.run_until_complete)),
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                phases=PHASES,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
        loop.run_until_complete(redis.aclose())
    finally:
        loop.close()
