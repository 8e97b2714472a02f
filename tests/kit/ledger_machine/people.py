"""Steps of people, who stop, resume, cancel and resolve, and raise budgets; and a step in which time passes."""

from typing import Any

from hypothesis import strategies as st

from tests.kit.ledger import SENDER
from tests.kit.ledger_machine.state import PARTS, MachineState
from tests.kit.ledger_model import endings
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.protocol import ControlAction

MILLISECOND_US = 1_000
HOW_RESOLVED: list[Any] = ["sent", "resend", "resend"]
CHANGED_RATES = [0.0, 4.0, 50.0]
STEPS_MS = [20, 50, 200, 1_100, 3_000, 61_000, 61_000, 12 * 3_600_000]


class PeopleSteps(MachineState):
    """The steps of people, and a step in which time passes."""

    def time_passes(self, data: st.DataObject) -> None:
        self.pass_us(data.draw(st.sampled_from(STEPS_MS)) * MILLISECOND_US)

    def act_as_a_person(self, data: st.DataObject) -> None:
        action = data.draw(st.sampled_from(["resume", "resume", "resume", "pause", "brake", "rate", "sender"]))
        if action == "rate":
            self.set_rate(data.draw(st.sampled_from(CHANGED_RATES)))
        elif action == "sender":
            self.stop_sender(data.draw(st.sampled_from(["", "", "pause", "times", "second"])))
        else:
            self.control(self.some_campaign(data), action)

    def raise_budget(self, name: str) -> None:
        campaign = self.model.campaigns[name]
        if campaign.max_parts and campaign.max_parts - campaign.parts_out < max(PARTS):
            campaign.max_parts = campaign.parts_out + 2 * max(PARTS)
            self.run(self.ledger.control.set_budget(SENDER, CampaignId(name), campaign.max_parts))

    def control(self, name: str, action: Any) -> None:
        _, state = self.run(self.ledger.control.campaign(SENDER, CampaignId(name), ControlAction(action)))
        assert state == self.model.control(name, action, decided_us=self.model.now_us)
        if action == "resume" and state in {"running", "finished"}:
            self.seen.stopped.discard(name)

    def set_rate(self, rate_per_s: float) -> None:
        self.run(self.ledger.control.set_rate(SENDER, rate_per_s))
        self.model.pace.rate_per_s = rate_per_s

    def stop_sender(self, what: str) -> None:
        """Resume the sender, and then pause the sender or brake it at a provider."""
        resumed = self.run(self.ledger.control.resume_sender(SENDER))
        assert resumed == self.model.resume_sender(decided_us=self.model.now_us)
        if what == "pause":
            self.run(self.ledger.control.pause_sender(SENDER))
            self.model.is_paused, self.model.stopped_us = True, self.model.now_us
        elif what:
            self.run(self.ledger.control.brake_provider(SENDER, what, "no balance"))
            self.model.brake_provider(what)
            self.model.stopped_us = self.model.now_us

    def resolve(self, data: st.DataObject) -> None:
        in_doubt = [name for name, campaign in self.model.campaigns.items() if campaign.is_in_doubt()]
        name = data.draw(st.sampled_from(in_doubt or sorted(self.model.campaigns)))
        how = data.draw(st.sampled_from(HOW_RESOLVED))
        resolved = self.run(self.ledger.control.resolve(SENDER, CampaignId(name), how))
        assert resolved == endings.resolve(self.model, name, how)
