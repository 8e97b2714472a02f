"""The ledger and its reference model side by side: every action is done in both, and both must agree."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from hypothesis import strategies as st

from tests.kit.ledger import PROVIDER, SENDER, Ledger
from tests.kit.ledger_model import Model, ModelLeaseLost, assert_agrees
from tests.kit.ledger_model_campaign import BatchKey, Message, ModelCampaign
from times_dispatch.ledger.errors import LeaseLost
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.model import BatchRef, CampaignId
from times_dispatch.ledger.openings import BatchClosed, Block, Drained, Wait, new_operation
from times_dispatch.ledger.protocol import BrakeTarget, ControlAction
from times_dispatch.ledger.push_results import Consequence, Result
from times_dispatch.ledger.submission import BrakeRule

SIZES = [3, 3, 30]
"""Messages of a batch: few, so that reports and outcomes often concern the same message, or many."""
PUSH_RESULTS = "aaariiipbu"
CODES = {"a": 200, "r": 2054, "i": 10, "p": 429, "b": 0, "u": 31}
Answer = TypeVar("Answer")


class LeaseHolder:
    """A worker that took a lease; it keeps its blocks, also after another worker has got the batch."""

    def __init__(self, batch_key: BatchKey, lease: Lease) -> None:
        self.batch_key = batch_key
        self.lease = lease
        self.operation, self.opened_by = "", ""
        self.blocks: dict[int, list[tuple[int, int]]] = {}

    def __repr__(self) -> str:
        return f"Worker({self.batch_key}, token={self.lease.token})"


class LedgerAndModel:
    """A ledger and its model, and the workers that took leases in both."""

    def __init__(self, ledger: Ledger, run: Callable[[Awaitable[Any]], Any]) -> None:
        self.ledger, self.run = ledger, run
        self.model = Model({})
        self.workers: list[LeaseHolder] = []
        self.opened: dict[tuple[BatchKey, int, int], tuple[int, int] | None] = {}
        """The token and block that last opened each attempt; None after the attempt was given back."""
        self.delivered: set[tuple[str, int]] = set()
        self.arrived: set[tuple[str, int]] = set()
        """Messages with a click, a reply or an intermediate report."""
        self.stopped: set[str] = set()
        """Campaigns that were paused or braked and not resumed since."""

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
        campaign = ModelCampaign(size, rows, policy, brake, max_parts=max_parts, shut=by_day)
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

    def holders(self) -> list[LeaseHolder]:
        return [worker for worker in self.workers if self.model.holds(worker.batch_key, worker.lease.token)]

    def take(self, batch_key: BatchKey) -> None:
        lease = self.run(self.ledger.leases.take(BatchRef(SENDER, CampaignId(batch_key[0]), batch_key[1])))
        assert self.model.take(batch_key, lease.token if lease else -1) == (lease is not None)
        if lease:
            assert all(lease.token > worker.lease.token for worker in self.workers)
            self.workers.append(LeaseHolder(batch_key, lease))

    def open(self, worker: LeaseHolder, most: int) -> None:
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

    def record(self, data: st.DataObject, worker: LeaseHolder) -> None:
        if not worker.blocks:
            return
        number = data.draw(st.sampled_from(sorted(worker.blocks, reverse=True)))
        messages = data.draw(st.lists(st.sampled_from(worker.blocks[number]), unique=True, min_size=1))
        letters = [data.draw(st.sampled_from(PUSH_RESULTS)) for _ in messages]
        outcomes = [
            (index, number, result, CODES[result]) for (index, _), result in zip(messages, letters, strict=True)
        ]
        results = [Result(index, block, result.encode(), code, "7", 1) for index, block, result, code in outcomes]
        brakes = "p" in letters and data.draw(st.integers(0, 4)) == 0
        consequence = Consequence(brake=BrakeTarget.CAMPAIGN, reason="no balance") if brakes else Consequence()
        recorded = self.both(
            lambda: self.ledger.leases.record(worker.lease, results, consequence, provider=PROVIDER),
            lambda: self.model.record(worker.batch_key, worker.lease.token, outcomes, brakes),
        )
        if recorded is None:
            return
        batch = self.model.campaigns[worker.batch_key[0]].batch(worker.batch_key[1])
        for (index, attempt), result in zip(messages, letters, strict=True):
            key = (worker.batch_key, index, attempt)
            # Only a message that is being sent can be given back, not after another result of the same block.
            if self.opened[key] == (worker.lease.token, number) and result in "pb" and batch[index].state == "p":
                self.opened[key] = None

    def release(self, worker: LeaseHolder) -> None:
        self.both(
            lambda: self.ledger.leases.release(worker.lease),
            lambda: self.model.release(worker.batch_key, worker.lease.token),
        )

    def batch_keys(self) -> list[BatchKey]:
        return [(name, number) for name, campaign in self.model.campaigns.items() for number in range(campaign.batches)]

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

    def control(self, name: str, action: str) -> None:
        _, state = self.run(self.ledger.control.campaign(SENDER, CampaignId(name), ControlAction(action)))
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

    def end_validity(self, name: str) -> None:
        self.run(self.ledger.end_validity(CampaignId(name)))
        self.model.campaigns[name].expired = self.model.campaigns[name].may_end = True

    def let_reports_be_overdue(self, name: str, *, overdue: bool) -> None:
        wait_ms = -1 if overdue else 72 * 3_600_000
        self.run(self.ledger.redis.hset(campaign_key(SENDER, CampaignId(name)), "report_wait_ms", wait_ms))
        self.model.campaigns[name].overdue = overdue

    def compare(self) -> None:
        """Fail unless the ledger equals the model, and every delivered message is still delivered."""
        self.run(assert_agrees(self.ledger.redis, self.model))
        delivered = self.model.delivered()
        assert self.delivered <= delivered, "a message left the state delivered"
        self.delivered = delivered
        self.stopped |= {name for name, campaign in self.model.campaigns.items() if campaign.is_stopped()}
