"""The rules of people: they stop, resume, cancel and resolve, and raise budgets; and the rule by which time passes."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.kit.ledger import SENDER
from tests.kit.ledger_machine.world import World
from tests.kit.ledger_model import endings
from times_dispatch.ledger.model import CampaignId

MILLISECOND_US = 1_000
STEPS_MS = [20, 50, 200, 1_100, 3_000, 61_000, 61_000, 12 * 3_600_000]


class People(World):
    """What people do."""

    @rule(step_ms=st.sampled_from(STEPS_MS))
    def time_passes(self, step_ms: int) -> None:
        self.pass_us(step_ms * MILLISECOND_US)

    @rule(data=st.data(), action=st.sampled_from(["resume", "resume", "resume", "pause", "brake", "sender"]))
    def act_as_a_person(self, data: st.DataObject, action: Any) -> None:
        if action == "sender":
            self.stop_sender(data.draw(st.sampled_from(["", "", "pause", "times", "second"])))
        else:
            self.control(self.some_campaign(data), action)

    def raise_budget(self, name: str) -> None:
        campaign = self.model.campaigns[name]
        if campaign.is_spent():
            campaign.max_parts = campaign.parts_out + 2
            self.run(self.ledger.control.set_budget(SENDER, CampaignId(name), campaign.max_parts))

    def control(self, name: str, action: Any) -> None:
        _, state = self.run(self.ledger.control.campaign(SENDER, CampaignId(name), action))
        assert state == self.model.control(name, action, decided_us=self.model.now_us)
        if action == "resume" and state in {"running", "finished"}:
            self.seen.stopped.discard(name)

    def stop_sender(self, what: str) -> None:
        """Resume the sender, and then pause it, or brake it at a provider."""
        resumed = self.run(self.ledger.control.resume_sender(SENDER))
        assert resumed == self.model.resume_sender(decided_us=self.model.now_us)
        if what == "pause":
            self.run(self.ledger.control.pause_sender(SENDER))
            self.model.is_paused, self.model.stopped_us = True, self.model.now_us
        elif what:
            self.run(self.ledger.control.brake_provider(SENDER, what, "no balance"))
            self.model.brake_provider(what)
            self.model.stopped_us = self.model.now_us

    @rule(data=st.data(), how=st.sampled_from(["sent", "resend", "resend"]))
    def resolve(self, data: st.DataObject, how: Any) -> None:
        name = self.some_campaign(data)
        resolved = self.run(self.ledger.control.resolve(SENDER, CampaignId(name), how))
        assert resolved == endings.resolve(self.model, name, how)
