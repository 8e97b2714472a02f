"""Steps of workers: they issue, take, open, record and release batches, also after they lost their lease."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from hypothesis import strategies as st

from tests.kit.ledger import SENDER
from tests.kit.ledger_machine.lease_holder import LeaseHolder
from tests.kit.ledger_machine.people import PeopleSteps
from tests.kit.ledger_machine.state import MAX_CAMPAIGNS
from tests.kit.ledger_model.blocks import ModelLeaseLost, OpenCall, OpenedBlock
from tests.kit.ledger_model.campaign import BatchKey
from tests.kit.ledger_model.recording import ModelResult, record
from times_dispatch.ledger.errors import LeaseLost
from times_dispatch.ledger.frequency_cap import NO_CHECK, FrequencyCheck, fingerprint, text_digest
from times_dispatch.ledger.leases import BatchLeases, Lease
from times_dispatch.ledger.model import BatchRef, CampaignId
from times_dispatch.ledger.openings import BatchClosed, Block, Drained, Opened, Wait, new_operation
from times_dispatch.ledger.protocol import BackOffPolicy, BrakeTarget, CloseReason, WaitReason
from times_dispatch.ledger.push_results import Consequence, Result

WORK = [
    "begin",
    "take",
    "open",
    "open",
    "open",
    "confirm",
    "record",
    "record",
    "record",
    "again",
    "unreplicated",
    "release",
    "late_worker",
]
PUSH_RESULTS = "aaariiipbu"
CODES = {"a": 200, "r": 2054, "i": 10, "p": 429, "b": 0, "u": 31}
CONSEQUENCES = [
    Consequence(),
    Consequence(BackOffPolicy.IF_NONE_ACCEPTED, reason="unreachable"),
    Consequence(BackOffPolicy.IF_NONE_ANSWERED, reason="out of reach"),
    Consequence(BackOffPolicy.IF_NONE_READABLE, reason="unreadable"),
    Consequence(BackOffPolicy.ALWAYS, at_least_s=5, reason="busy"),
    Consequence(brake=BrakeTarget.CAMPAIGN, reason="no balance"),
    Consequence(brake=BrakeTarget.SENDER, reason="wrong password"),
]

Answer = TypeVar("Answer")


class WorkSteps(PeopleSteps):
    """The steps of workers."""

    def both(self, real: Callable[[], Awaitable[Answer]], model: Callable[[], Any]) -> Answer | None:
        """Make a call in the ledger and in the model; return the ledger's answer, or None if both lost the lease."""
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
        assert plain(answer) == expected, f"the ledger answers {answer}, but the model answers {expected}"
        result: Answer = answer
        return result

    def work(self, data: st.DataObject) -> None:
        for step in data.draw(st.lists(st.sampled_from(WORK), min_size=1, max_size=6)):
            # Without these two steps, most sequences would do nothing.
            if not self.model.out and not any(map(self.model.reachable, self.model.campaigns)):
                self.revive(data)
            kind = step if self.holders() or (step == "late_worker" and self.workers) else "begin"
            getattr(self, f"work_{kind}")(data)
            self.compare()

    def revive(self, data: st.DataObject) -> None:
        """Resume the sender and all campaigns, and submit another campaign if no message can be sent then."""
        self.stop_sender("")
        for name in self.model.campaigns:
            self.raise_budget(name)
            self.open_send_window(name)
            self.control(name, "resume")
        if not any(map(self.model.reachable, self.model.campaigns)) and len(self.model.campaigns) < MAX_CAMPAIGNS:
            self.submit(data)

    def holders(self) -> list[LeaseHolder]:
        return [worker for worker in self.workers if self.model.holds(worker.batch_key, worker.lease.token)]

    def some_worker(self, data: st.DataObject) -> LeaseHolder:
        return data.draw(st.sampled_from(self.holders()))

    def work_begin(self, data: st.DataObject) -> None:
        issued = self.run(self.ledger.issue())
        self.model.issue([(ref.campaign, ref.number) for ref in issued])
        untaken = sorted(batch_key for batch_key, out in self.model.out.items() if not out.token)
        for batch_key in data.draw(st.lists(st.sampled_from(untaken), unique=True, min_size=1)) if untaken else []:
            self.take(batch_key)

    def work_take(self, data: st.DataObject) -> None:
        """Try to take any batch: a batch that another worker holds, a batch that is not issued, or a free batch."""
        self.take(data.draw(st.sampled_from(self.batch_keys())))

    def take(self, batch_key: BatchKey) -> None:
        lease = self.run(self.ledger.leases.take(BatchRef(SENDER, CampaignId(batch_key[0]), batch_key[1])))
        assert self.model.take(batch_key, lease.token if lease else -1) == (lease is not None)
        if lease:
            self.add_worker(batch_key, lease)

    def add_worker(self, batch_key: BatchKey, lease: Lease) -> None:
        assert all(lease.token > worker.lease.token for worker in self.workers), "an old token is as great"
        self.workers.append(LeaseHolder(batch_key, lease))

    def work_open(self, data: st.DataObject) -> None:
        worker = self.some_worker(data)
        opened = self.open(worker, data.draw(st.sampled_from([1, 2, 3, 30])))
        # In most cases the worker does what the ledger's answer demands.
        if isinstance(opened, Wait) and data.draw(st.booleans()):
            self.pass_us(int(opened.seconds * 1e6))
        elif isinstance(opened, BatchClosed | Drained) and data.draw(st.integers(0, 3)):
            self.release(worker)

    def check_of(self, worker: LeaseHolder) -> FrequencyCheck:
        limit = self.model.caps.limit
        if not limit.repeat_after_s and not limit.max_messages:
            return NO_CHECK
        phones, word = worker.lease.recipients.to, self.words[worker.batch_key[0]]
        return FrequencyCheck(
            limit,
            text_digest("Dear {#var#}"),
            0,
            b"".join(fingerprint(phone, word) for phone in phones),
            " ".join(phones) if limit.max_messages else "",
        )

    def work_unreplicated(self, data: st.DataObject) -> None:
        """Open a block that reaches no replica: its messages become pending again, and no worker gets the block."""
        self.open(
            self.some_worker(data),
            4,
            leases=BatchLeases(self.ledger.redis, wait_for_replicas=1, replicas_within_s=0.001),
        )

    def work_confirm(self, data: st.DataObject) -> None:
        """Ask whether an open block that arrived late may be pushed; in most cases, ask about the last block."""
        worker = self.some_worker(data)
        if not worker.blocks:
            return
        number = data.draw(st.sampled_from([max(worker.blocks), max(worker.blocks), min(worker.blocks)]))
        block = worker.blocks[number]
        units, token = data.draw(st.sampled_from([0, len(block.messages)])), worker.lease.token
        opened = Block(number, 0.0, 0.0, block.messages)

        async def real() -> int | None:
            confirmed = await self.ledger.leases.confirm_block(
                worker.lease, opened, provider=block.provider, units=units
            )
            return None if confirmed is None else round(confirmed.starts_in_s * 1e6)

        self.both(
            real,
            lambda: self.model.confirm(worker.batch_key, token, number, provider=block.provider, units=units),
        )

    def open(self, worker: LeaseHolder, most: int, *, leases: BatchLeases | None = None) -> Opened | None:
        """Open a block for a worker; return the ledger's answer, or None if the lease is lost.

        ``leases`` may be a ``BatchLeases`` that waits in vain for a replica.
        """
        operation, token = new_operation(), worker.lease.token
        call = OpenCall(token, operation, worker.last_block, most, self.words[worker.batch_key[0]])

        def model() -> Any:
            if self.model.holds(worker.batch_key, token) and answers[0] == BatchClosed(CloseReason.TURN_OVER):
                self.model.end_turn(worker.batch_key, token)
                return CloseReason.TURN_OVER
            opened = self.model.open(worker.batch_key, call)
            if leases is None or not isinstance(opened, OpenedBlock):
                return opened
            rows = [ModelResult(index, opened.number, "b", 0) for index, _ in opened.messages]
            record(self.model, worker.batch_key, token, rows, consequence=Consequence(), provider="")
            return WaitReason.REPLICAS

        answers: list[Any] = []

        async def real() -> Any:
            try:
                answers.append(
                    await (leases or self.ledger.leases).open_block(
                        worker.lease,
                        max_messages=most,
                        operation=operation,
                        check=self.check_of(worker),
                        last_block=worker.last_block,
                    )
                )
            except LeaseLost:
                answers.append(None)
                raise
            return answers[0]

        block = self.both(real, model)
        if isinstance(block, Block):
            self.give(worker, operation, block)
        return block

    def give(self, worker: LeaseHolder, operation: str, block: Block) -> None:
        """Give a block to a worker, which pushes its messages."""
        opened = OpenedBlock(block.number, block.messages, block.chain_index, block.suppressed)
        worker.give(operation, opened, self.model.campaigns[worker.batch_key[0]].chain[block.chain_index])
        self.note_opened(worker.batch_key, worker.lease.token, block.number, block.messages)

    def work_again(self, data: st.DataObject) -> None:
        """Repeat the last call of open_block that returned a block, also if other calls came after it."""
        worker = self.some_worker(data)
        if worker.last and self.model.out[worker.batch_key].operation == worker.operation:
            opened = self.run(
                self.ledger.leases.open_block(
                    worker.lease, max_messages=4, operation=worker.operation, last_block=worker.known_block
                )
            )
            assert plain(opened) == worker.last

    def work_record(self, data: st.DataObject) -> None:
        self.record(data, self.some_worker(data))

    def record(self, data: st.DataObject, worker: LeaseHolder) -> None:
        if not worker.blocks:
            return
        number = data.draw(st.sampled_from(sorted(worker.blocks, reverse=True)))
        block = worker.blocks[number]
        messages = data.draw(st.lists(st.sampled_from(block.messages), unique=True, min_size=1))
        for index, _ in messages:
            if (number, index) not in worker.results:
                worker.results[number, index] = data.draw(st.sampled_from(PUSH_RESULTS))
        letters = [worker.results[number, index] for index, _ in messages]
        rows = [
            ModelResult(index, number, letter, CODES[letter])
            for (index, _), letter in zip(messages, letters, strict=True)
        ]
        results = [Result(row.index, row.block, row.result.encode(), row.code, "7", 1) for row in rows]
        has_consequence = set(letters) & set("ip") and data.draw(st.integers(0, 2)) == 0
        consequence = data.draw(st.sampled_from(CONSEQUENCES)) if has_consequence else Consequence()
        token = worker.lease.token
        recorded = self.both(
            lambda: self.ledger.leases.record(worker.lease, results, consequence, provider=block.provider),
            lambda: record(self.model, worker.batch_key, token, rows, consequence=consequence, provider=block.provider),
        )
        if recorded is None:
            return
        batch = self.model.campaigns[worker.batch_key[0]].batch(worker.batch_key[1])
        for (index, attempt), letter in zip(messages, letters, strict=True):
            key = (worker.batch_key, index, attempt)
            if letter not in "pb":
                self.unproved.discard(key)
            # A message can be given back only while it is being sent, and not after another result of the same block.
            if self.seen.opened.get(key) == (token, number) and letter in "pb" and batch[index].state == "p":
                self.seen.opened[key] = None

    def work_release(self, data: st.DataObject) -> None:
        self.release(self.some_worker(data))

    def release(self, worker: LeaseHolder) -> None:
        self.both(
            lambda: self.ledger.leases.release(worker.lease),
            lambda: self.model.release(worker.batch_key, worker.lease.token),
        )

    def work_late_worker(self, data: st.DataObject) -> None:
        """Let a worker use its lease, also if the lease is lost."""
        worker = data.draw(st.sampled_from(self.workers[-6:]))
        match data.draw(st.sampled_from(["open", "record", "release"])):
            case "open":
                self.open(worker, 4)
            case "record":
                self.record(data, worker)
            case "release":
                self.release(worker)


def plain(answer: object) -> object:
    """Convert the ledger's answer to the model's form."""
    match answer:
        case Block():
            return OpenedBlock(answer.number, answer.messages, answer.chain_index, answer.suppressed)
        case BatchClosed() | Wait():
            return answer.reason
        case Drained():
            return "drained"
        case _:
            return answer
