"""Property tests of the ledger's scripts: random interleavings, compared with a reference model after each step.

Several workers act, some of them after losing their leases; reports of every kind arrive at any time; people pause,
cancel and resolve; upkeep runs. ``LEDGER_EXAMPLES=3000 pytest tests/times_dispatch/ledger/test_ledger_properties.py``
tries more examples and shrinks a failure.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

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
from tests.kit.ledger_drain import finish_all
from tests.kit.ledger_model import BatchKey, Campaign, Message, Model, ModelLeaseLost, assert_agrees
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.errors import LeaseLost
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.leases import BatchLeases, Lease
from times_dispatch.ledger.maintenance import Maintenance
from times_dispatch.ledger.model import BatchRef, CampaignId
from times_dispatch.ledger.openings import BatchClosed, Block, Drained, Opened, Wait, new_operation
from times_dispatch.ledger.protocol import BrakeTarget, CloseReason
from times_dispatch.ledger.push_results import Consequence, Result
from times_dispatch.ledger.report_applier import DeliveryReport, ReportApplier, ReportEffect
from times_dispatch.ledger.submission import BrakeRule

LONGER = os.environ.get("LEDGER_EXAMPLES")
EXAMPLES = int(LONGER or min(40, settings().max_examples))
PHASES = [Phase.explicit, Phase.reuse, Phase.generate, *([Phase.shrink] if LONGER else [])]
STEPS = 30
SIZES = [3, 3, 30]
"""Messages of a batch: few, so that reports and outcomes often concern the same message, or many."""
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
VERDICTS = "aaariiipbu"
KINDS: list[Any] = ["delivered", "failed", "failed", "intermediate", "clicked", "replied"]
LATE_EVENTS = [
    "the validity ends",
    "the validity ends of a stopped campaign",
    "reports are overdue",
    "a person cancels",
]
CODES = {"a": 200, "r": 2054, "i": 10, "p": 429, "b": 0, "u": 31}

Answer = TypeVar("Answer")


class Worker:
    """A worker that took a lease; it keeps its blocks, also after another worker has got the batch."""

    def __init__(self, batch_key: BatchKey, lease: Lease) -> None:
        self.batch_key = batch_key
        self.lease = lease
        self.operation, self.opened_by = "", ""
        self.blocks: dict[int, list[tuple[int, int]]] = {}

    def __repr__(self) -> str:
        return f"Worker({self.batch_key}, token={self.lease.token})"


class Scripts(RuleBasedStateMachine):
    """The state machine: every action that is possible on the ledger, in any order."""

    def __init__(self, ledger: Ledger, run: Callable[[Awaitable[Any]], Any]) -> None:
        super().__init__()
        self.ledger, self.run = ledger, run
        self.model = Model({})
        self.workers: list[Worker] = []
        self.opened: dict[tuple[BatchKey, int, int], tuple[int, int] | None] = {}
        """The token and block that last opened each attempt; None after the attempt was given back."""
        self.delivered: set[tuple[str, int]] = set()
        self.arrived: set[tuple[str, int]] = set()
        """Messages with a click, a reply or an intermediate report."""
        self.stopped: set[str] = set()
        """Campaigns that were paused or braked and not resumed since."""

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.run(self.ledger.redis.flushall())
        self.ledger.report_applier = ReportApplier(
            self.ledger.redis
        )  # the applier remembers campaigns of the previous example
        for _ in range(data.draw(st.integers(1, 2))):
            self.submit(data)

    def submit(self, data: st.DataObject) -> None:
        name = f"campaig{len(self.model.campaigns)}"
        size = data.draw(st.sampled_from(SIZES))
        messages, last = data.draw(st.integers(1, 5 * size // 2)), data.draw(st.sampled_from([0, 0, 3]))
        policy: Any = data.draw(st.sampled_from(["give_up", "resend"]))
        own_rate_per_s = data.draw(st.sampled_from([0.0, 1e9]))
        brake = BrakeRule(pushes=last, rejected_share=0.5, reports=last, failed_share=0.5)
        max_parts = data.draw(st.sampled_from([0, 0, messages, messages // 2 + 1]))
        by_day = data.draw(st.booleans())
        opted_out = sorted(data.draw(st.sets(st.integers(0, messages - 1), max_size=3)))
        changes: Any = {"brake": brake, "in_doubt": policy, "rate_per_s": own_rate_per_s, "opted_out": opted_out}
        changes |= {"send_until_min": 1_260} if by_day else {}
        self.run(self.ledger.submit(messages, batch_size=size, campaign=name, max_parts=max_parts, **changes))
        # A validity that a resend renews must outlast the test.
        self.run(self.ledger.redis.hset(campaign_key(SENDER, CampaignId(name)), "sealed_ms", 1_000_000_000_000))
        rows = [Message("u", code=CODES["u"]) if index in opted_out else Message() for index in range(messages)]
        campaign = Campaign(size, rows, policy, brake, max_parts=max_parts, shut=by_day)
        self.model.campaigns[name] = campaign
        campaign.begun = {index // size for index in opted_out}
        campaign.finish_if_done()
        self.open_send_window(name)

    def both(self, real: Callable[[], Awaitable[Answer]], model: Callable[[], Any]) -> Answer | None:
        """Do the same in the ledger and in the model; return the ledger's answer, or None if both lost the lease."""
        try:
            answer = self.run(real())
        except LeaseLost:
            answer = LeaseLost
        try:
            expected = model()
        except ModelLeaseLost:
            expected = ModelLeaseLost
        assert (answer is LeaseLost) == (expected is ModelLeaseLost), (answer, expected)
        if answer is LeaseLost:
            return None
        assert self.plain(answer) == expected
        result: Answer = answer
        return result

    @staticmethod
    def plain(answer: object) -> object:
        """Convert the ledger's answer to the model's form."""
        match answer:
            case Block():
                return answer.messages
            case BatchClosed():
                return answer.reason
            case Drained():
                return "drained"
            case Wait():
                return "wait"
            case _:
                return answer

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

    def holders(self) -> list[Worker]:
        return [worker for worker in self.workers if self.model.holds(worker.batch_key, worker.lease.token)]

    def some_worker(self, data: st.DataObject) -> Worker:
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

    def take(self, batch_key: BatchKey) -> None:
        lease = self.run(self.ledger.leases.take(BatchRef(SENDER, CampaignId(batch_key[0]), batch_key[1])))
        assert self.model.take(batch_key, lease.token if lease else -1) == (lease is not None)
        if lease:
            assert all(lease.token > worker.lease.token for worker in self.workers)
            self.workers.append(Worker(batch_key, lease))

    def work_open(self, data: st.DataObject) -> None:
        self.open(self.some_worker(data), data.draw(st.sampled_from([1, 2, 3, 30])))

    def open(self, worker: Worker, most: int) -> None:
        worker.operation = new_operation()
        token = worker.lease.token
        block = self.both(
            lambda: self.ledger.leases.open_block(worker.lease, max_messages=most, operation=worker.operation),
            lambda: self.model.open(worker.batch_key, token, most),
        )
        if isinstance(block, Block):
            assert worker.batch_key[0] not in self.stopped, f"{worker.batch_key[0]} is sent, and nobody resumed it"
            worker.opened_by = worker.operation
            worker.blocks[block.number] = block.messages
            for index, attempt in block.messages:
                key = (worker.batch_key, index, attempt)
                assert self.opened.get(key) is None, f"{key} is opened twice, and was not given back"
                message = (worker.batch_key[0], worker.lease.recipients.first + index)
                assert message not in self.delivered | self.arrived
                self.opened[key] = (token, block.number)

    def work_again(self, data: st.DataObject) -> None:
        """Repeat the last call of open_block, whatever happened since."""
        worker = self.some_worker(data)
        if worker.blocks:
            opened = self.run(self.ledger.leases.open_block(worker.lease, max_messages=4, operation=worker.opened_by))
            last = max(worker.blocks)
            assert (opened.number, opened.messages) == (last, worker.blocks[last])

    def work_record(self, data: st.DataObject) -> None:
        self.record(data, self.some_worker(data))

    def record(self, data: st.DataObject, worker: Worker) -> None:
        if not worker.blocks:
            return
        number = data.draw(st.sampled_from(sorted(worker.blocks, reverse=True)))
        messages = data.draw(st.lists(st.sampled_from(worker.blocks[number]), unique=True, min_size=1))
        verdicts = [data.draw(st.sampled_from(VERDICTS)) for _ in messages]
        outcomes = [
            (index, number, result, CODES[result]) for (index, _), result in zip(messages, verdicts, strict=True)
        ]
        results = [Result(index, block, result.encode(), code, "7", 1) for index, block, result, code in outcomes]
        brakes = "p" in verdicts and data.draw(st.integers(0, 4)) == 0
        consequence = Consequence(brake=BrakeTarget.CAMPAIGN, reason="no balance") if brakes else Consequence()
        recorded = self.both(
            lambda: self.ledger.leases.record(worker.lease, results, consequence, provider=PROVIDER),
            lambda: self.model.record(worker.batch_key, worker.lease.token, outcomes, brakes),
        )
        if recorded is None:
            return
        batch = self.model.campaigns[worker.batch_key[0]].batch(worker.batch_key[1])
        for (index, attempt), result in zip(messages, verdicts, strict=True):
            key = (worker.batch_key, index, attempt)
            # Only a message that is being sent can be given back, not after another result of the same block.
            if self.opened[key] == (worker.lease.token, number) and result in "pb" and batch[index].state == "p":
                self.opened[key] = None

    def work_release(self, data: st.DataObject) -> None:
        self.release(self.some_worker(data))

    def release(self, worker: Worker) -> None:
        self.both(
            lambda: self.ledger.leases.release(worker.lease),
            lambda: self.model.release(worker.batch_key, worker.lease.token),
        )

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
        verdicts = [data.draw(st.sampled_from(VERDICTS)) for _ in lost.messages]
        pushed = [
            (index, lost.number, result, CODES[result])
            for (index, _), result in zip(lost.messages, verdicts, strict=True)
        ]
        results = [Result(index, block, result.encode(), code, "7", 1) for index, block, result, code in pushed]
        for _ in range(2):
            self.both(
                lambda: self.ledger.leases.record(worker.lease, results, provider=PROVIDER),
                lambda: self.model.record(worker.batch_key, worker.lease.token, pushed, brake=False),
            )
            self.compare()
        for (index, attempt), result in zip(lost.messages, verdicts, strict=True):
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

    def batch_keys(self) -> list[BatchKey]:
        return [(name, number) for name, campaign in self.model.campaigns.items() for number in range(campaign.batches)]

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

    def open_send_window(self, name: str) -> None:
        """Set the send window to now, as upkeep does."""
        campaign = self.model.campaigns[name]
        if campaign.shut:
            now_ms = self.run(self.ledger.now_ms())
            window = {"opens_ms": now_ms - 1_000, "closes_ms": now_ms + 3_600_000}
            self.run(self.ledger.maintenance.set_send_window(SENDER, CampaignId(name), **window))
            campaign.shut = campaign.state not in {"running", "paused", "braked"}

    def raise_budget(self, name: str) -> None:
        campaign = self.model.campaigns[name]
        if campaign.is_spent():
            campaign.max_parts += 2
            self.run(self.ledger.control.set_budget(SENDER, CampaignId(name), campaign.max_parts))

    def control(self, name: str, action: Any) -> None:
        _, state = self.run(self.ledger.control.campaign(SENDER, CampaignId(name), action))
        assert state == self.model.control(name, action)
        if action == "resume" and state in {"running", "finished"}:
            self.stopped.discard(name)

    def stop_sender(self, stopped_by: str) -> None:
        self.run(self.ledger.control.resume_sender(SENDER))
        if stopped_by == "sender_paused":
            self.run(self.ledger.control.pause_sender(SENDER))
        elif stopped_by == "provider_braked":
            self.run(self.ledger.control.brake_provider(SENDER, PROVIDER, "no balance"))
        self.model.stopped_by = stopped_by

    @rule(data=st.data(), step=st.sampled_from(["lapse", "lapse", "renew", "settle", "end"]))
    def keep_up(self, data: st.DataObject, step: str) -> None:
        self.upkeep(data, step)

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
                assert self.run(self.ledger.maintenance.settle_overdue(SENDER)) == self.model.settle_overdue()
            case "end":
                assert self.run(self.ledger.maintenance.end_pending(SENDER)) == self.model.end_pending()

    def expire_leases(self, batch_keys: list[BatchKey]) -> None:
        self.run(
            self.ledger.expire_leases(*(BatchRef(SENDER, CampaignId(name), number) for name, number in batch_keys))
        )
        reclaimed, in_doubt, ready_batches = self.run(self.ledger.maintenance.expire_leases(SENDER))
        again = [(ready.ref.campaign, ready.ref.number) for ready in ready_batches]
        assert (reclaimed, in_doubt, again) == self.model.expire_leases(batch_keys)

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

    def end_validity(self, name: str) -> None:
        self.run(self.ledger.end_validity(CampaignId(name)))
        self.model.campaigns[name].expired = self.model.campaigns[name].may_end = True

    def let_reports_be_overdue(self, name: str, *, overdue: bool) -> None:
        wait_ms = -1 if overdue else 72 * 3_600_000
        self.run(self.ledger.redis.hset(campaign_key(SENDER, CampaignId(name)), "report_wait_ms", wait_ms))
        self.model.campaigns[name].overdue = overdue

    @invariant()
    def the_ledger_is_as_the_model_says(self) -> None:
        self.compare()

    def compare(self) -> None:
        """Fail unless the ledger equals the model, and every delivered message is still delivered."""
        self.run(assert_agrees(self.ledger.redis, self.model))
        delivered = self.model.delivered()
        assert self.delivered <= delivered, "a message left the state delivered"
        self.delivered = delivered
        self.stopped |= {name for name, campaign in self.model.campaigns.items() if campaign.is_stopped()}

    def teardown(self) -> None:
        """Finish all campaigns: no message may be lost."""
        if self.model.campaigns:
            self.run(asyncio.wait_for(finish_all(self.ledger, self.model), 30))


def test_no_sequence_breaks_the_identity_opens_twice_or_loses_a_message(redis_server: EmbeddedServer) -> None:
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
