"""The state that the rules of all subjects share: the ledger, its model, the workers, and the invariants."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from tests.kit.ledger import SENDER, Ledger
from tests.kit.ledger_machine.clock import NOON_US, MachineClock
from tests.kit.ledger_machine.drain import finish_all
from tests.kit.ledger_machine.lease_holder import LeaseHolder
from tests.kit.ledger_machine.recorded_calls import RecordedCall
from tests.kit.ledger_model.campaign import BatchKey, Message, ModelCampaign
from tests.kit.ledger_model.comparison import assert_agrees
from tests.kit.ledger_model.frequency import FrequencyCaps
from tests.kit.ledger_model.model import Model
from tests.kit.ledger_model.pace import Pace
from times_dispatch.ledger.frequency_cap import FrequencyLimit
from times_dispatch.ledger.keys import CampaignField, campaign_key
from times_dispatch.ledger.model import CampaignId, RetryRule
from times_dispatch.ledger.reports.report_applier import ReportApplier
from times_dispatch.ledger.submission import BrakeRule

SIZES = [3, 3, 30]
"""Numbers of messages of a batch: few, so that reports and outcomes often concern the same message, or many."""
MAX_CAMPAIGNS = 5
CHAINS = [("times",), ("times", "second"), ("second", "times")]
SENDER_RATES = [0.0, 0.0, 50.0]
URGENT = [False, False, True]
OWN_RATES = [0.0, 0.0, 20.0]
LIMITS = [
    FrequencyLimit(),
    FrequencyLimit(),
    FrequencyLimit(repeat_after_s=1_800),
    FrequencyLimit(max_messages=2, period_s=86_400),
    FrequencyLimit(repeat_after_s=1_800, max_messages=1, period_s=86_400),
]
MAX_PARTS_PER_DAY = [0, 0, 20]
PARTS = [1, 1, 2, 3]
"""SMS parts of a message."""
RULES = [None, RetryRule(codes=[914], after_s=[60, 3_600], at_most=2)]
WINDOW_MS = 90_000
OPTED_OUT = 31

MessageKey = tuple[BatchKey, int, int]
"""A batch, the index of a message in the batch, and an attempt."""


class Observed(NamedTuple):
    """Facts that the machine observed, for checks that do not depend on the model."""

    opened: dict[MessageKey, tuple[int, int] | None]
    """The token and block that last opened each attempt; None after the attempt was given back."""
    delivered: set[tuple[str, int]]
    arrived: set[tuple[str, int]]
    """Messages with a click, a reply or an intermediate report."""
    stopped: set[str]
    """Campaigns that were paused or braked, and that were not resumed afterwards."""


class MachineState(RuleBasedStateMachine):
    """The ledger and its model, whose clocks always show the same time."""

    def __init__(
        self,
        ledger: Ledger,
        clock: MachineClock,
        calls: list[RecordedCall],
        run: Callable[[Awaitable[Any]], Any],
    ) -> None:
        super().__init__()
        self.ledger, self.clock, self.calls, self.run = ledger, clock, calls, run
        self.model = Model(NOON_US)
        self.workers: list[LeaseHolder] = []
        self.words: dict[str, str] = {}
        """The variable part of the text of each campaign."""
        self.seen = Observed({}, set(), set(), set())
        self.unproved: set[MessageKey] = set()
        """Attempts that were opened in seconds that the ledger lost: the ledger may open them again."""

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.run(self.ledger.redis.flushall())
        self.calls.clear()
        # The applier remembers campaigns of the previous example.
        self.ledger.report_applier = ReportApplier(self.ledger.redis)
        self.set_time(NOON_US)
        self.model.caps = FrequencyCaps(data.draw(st.sampled_from(LIMITS)))
        self.model.pace = Pace(data.draw(st.sampled_from(SENDER_RATES)))
        self.model.max_parts_per_day = data.draw(st.sampled_from(MAX_PARTS_PER_DAY))
        self.run(self.ledger.control.set_rate(SENDER, self.model.pace.rate_per_s))
        self.run(self.ledger.control.configure_daily_cap(SENDER, self.model.max_parts_per_day))
        for _ in range(data.draw(st.integers(1, 2))):
            self.submit(data)

    def set_time(self, now_us: int) -> None:
        self.clock.now_us = self.model.now_us = now_us
        self.run(self.clock.write(self.ledger.redis))

    def pass_us(self, microseconds: int) -> None:
        self.set_time(self.model.now_us + microseconds)

    def submit(self, data: st.DataObject) -> None:
        name = f"campaig{len(self.model.campaigns)}"
        size = data.draw(st.sampled_from(SIZES))
        messages, last = data.draw(st.integers(1, 5 * size // 2)), data.draw(st.sampled_from([0, 0, 3]))
        chain = data.draw(st.sampled_from(CHAINS))
        brake = BrakeRule(pushes=last, rejected_share=0.5, reports=last, failed_share=0.5)
        opted_out = sorted(data.draw(st.sets(st.integers(0, messages - 1), max_size=3)))
        # Half of the campaigns have messages of one part only: the ledger keeps no parts for their batches.
        parts_of_one = st.just([1] * messages)
        parts = data.draw(parts_of_one | st.lists(st.sampled_from(PARTS), min_size=messages, max_size=messages))
        campaign = ModelCampaign(
            size,
            [
                Message("u", count, code=OPTED_OUT) if index in opted_out else Message(parts=count)
                for index, count in enumerate(parts)
            ],
            policy=data.draw(st.sampled_from(["give_up", "resend"])),
            rule=data.draw(st.sampled_from(RULES)),
            brake=brake,
            chain=chain,
            created_ms=self.model.now_ms,
            pace=Pace(data.draw(st.sampled_from(OWN_RATES))),
            urgent=data.draw(st.sampled_from(URGENT)),
            max_parts=data.draw(st.sampled_from([0, 0, sum(parts), sum(parts) // 2 + 1])),
            is_paced_by_parts=data.draw(st.booleans()),
            send_window=(0, 1) if data.draw(st.booleans()) else None,
            begun={index // size for index in opted_out},
        )
        self.words[name] = data.draw(st.sampled_from(["one", "one", "two"]))
        changes: Any = {"send_until_min": 1_260} if campaign.send_window else {}
        if campaign.is_paced_by_parts:
            changes["cost_unit"] = "parts"
        self.run(
            self.ledger.submit(
                messages,
                batch_size=size,
                campaign=name,
                parts=parts,
                opted_out=opted_out,
                brake=brake,
                provider=chain[0],
                fallbacks=list(chain[1:]),
                in_doubt=campaign.policy,
                retry=campaign.rule,
                max_parts=campaign.max_parts,
                rate_per_s=campaign.pace.rate_per_s,
                urgent=campaign.urgent,
                **changes,
            )
        )
        # A validity that a resend renews must outlast the test.
        self.run(self.ledger.redis.hset(campaign_key(SENDER, CampaignId(name)), CampaignField.SEALED_MS, 10**12))
        self.model.campaigns[name] = campaign
        campaign.finish_if_done()
        self.open_send_window(name)

    def open_send_window(self, name: str, *, opens_in_ms: int = -1_000) -> None:
        """Set the next send window of a campaign, as upkeep does after the last one has closed."""
        campaign = self.model.campaigns[name]
        if campaign.send_window and campaign.send_window[1] <= self.model.now_ms:
            opens_ms = self.model.now_ms + opens_in_ms
            window = {"opens_ms": opens_ms, "closes_ms": opens_ms + WINDOW_MS}
            self.run(self.ledger.maintenance.set_send_window(SENDER, CampaignId(name), **window))
            campaign.set_send_window(**window)

    def batch_keys(self) -> list[BatchKey]:
        return [(name, number) for name, campaign in self.model.campaigns.items() for number in range(campaign.batches)]

    def some_campaign(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.model.campaigns)))

    def note_opened(self, batch_key: BatchKey, token: int, number: int, messages: list[tuple[int, int]]) -> None:
        """Fail if a message is opened that must not be opened; remember the others."""
        name, size = batch_key[0], self.model.campaigns[batch_key[0]].size
        assert name not in self.seen.stopped, f"{name} is sent, although nobody resumed the campaign"
        for index, attempt in messages:
            key = (batch_key, index, attempt)
            is_known = self.seen.opened.get(key) is not None
            assert not is_known or key in self.unproved, f"{key} is opened twice, but was not given back"
            self.unproved.discard(key)
            assert (name, batch_key[1] * size + index) not in self.seen.delivered | self.seen.arrived
            self.seen.opened[key] = (token, number)

    @invariant()
    def the_ledger_is_as_the_model_says(self) -> None:
        self.compare()

    def compare(self) -> None:
        """Fail unless the ledger equals the model, and every delivered message is still delivered."""
        self.run(assert_agrees(self.ledger.redis, self.model))
        delivered = self.model.delivered()
        assert self.seen.delivered <= delivered, "a message left the state delivered"
        stopped = {name for name, campaign in self.model.campaigns.items() if campaign.is_stopped()}
        self.seen = self.seen._replace(delivered=delivered, stopped=self.seen.stopped | stopped)
        self.pass_us(1_000)  # two decisions of people must not have the same time

    def teardown(self) -> None:
        """Finish all campaigns: no message may be lost. Steps are bounded, not seconds: a busy machine is slow."""
        if self.model.campaigns:
            self.run(finish_all(self.ledger, self.clock))
