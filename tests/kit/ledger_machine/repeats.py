"""Repeated calls: the same call of a script runs again after other steps, and does no harm.

The Redis client repeats a call whose reply was lost, and the first copy of a call may reach the server late.
"""

import struct
from typing import Any

from hypothesis import strategies as st

from tests.kit.ledger import SENDER
from tests.kit.ledger_machine.recorded_calls import RecordedCall
from tests.kit.ledger_machine.snapshot import dump_all
from tests.kit.ledger_machine.upkeep import UpkeepSteps
from tests.kit.ledger_machine.working import plain
from tests.kit.ledger_model import endings
from tests.kit.ledger_model.blocks import ModelLeaseLost, OpenCall
from tests.kit.ledger_model.campaign import BatchKey
from tests.kit.ledger_model.reports import apply_reports
from times_dispatch.ledger.errors import LeaseLost
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.model import BatchRef, CampaignId
from times_dispatch.ledger.openings import read_opened
from times_dispatch.ledger.protocol import CloseReason, Status
from times_dispatch.ledger.ready_batches import ready_batches
from times_dispatch.ledger.records import unpack_recipients
from times_dispatch.ledger.scripts import text

WITHOUT_EFFECT = {"record", "release", "expire_leases", "begin", "add_batch", "seal"}
"""Scripts that must change no byte of the ledger when their call is repeated."""
AS_THE_MODEL = {
    "take",
    "issue",
    "open_block",
    "control",
    "resume_sender",
    "set_sender",
    "settle_overdue",
    "end_pending",
    "apply_reports",
    "set_send_window",
    "renew",
}
"""Scripts that must have the same effect as the model when their call is repeated."""
RECENT = 60
"""How many of the last calls are repeated."""
REPORT = struct.Struct(">HBcHI")
KINDS = {b"d": "delivered", b"f": "failed", b"o": "clicked"}
MAX_CLOCK_DIFFERENCE_MS = 60_000


class RepeatedSteps(UpkeepSteps):
    """The steps that repeat calls of scripts."""

    def repeat_calls(self, data: st.DataObject) -> None:
        calls = [call for call in self.calls if call.name in WITHOUT_EFFECT | AS_THE_MODEL][-RECENT:]
        self.calls[:] = calls
        for position in data.draw(st.lists(st.integers(0, len(calls) - 1), max_size=4)) if calls else []:
            self.repeat(calls[position])
            self.calls[:] = calls  # the repeated calls themselves are recorded too
            self.compare()

    def repeat(self, call: RecordedCall) -> None:
        if call.name in WITHOUT_EFFECT:
            before = self.run(dump_all(self.ledger.redis))
            self.run(call.repeat())
            after = self.run(dump_all(self.ledger.redis))
            changed = {key for key in before | after if before.get(key) != after.get(key)}
            assert not changed, f"a repeated call of {call.name} changed {changed}"
        else:
            getattr(self, f"repeat_{call.name}")(call, dict(call.arguments))

    @staticmethod
    def batch_key_of(arguments: dict[str, Any]) -> BatchKey:
        return arguments["campaign"], int(arguments["batch_number"])

    def repeat_take(self, call: RecordedCall, arguments: dict[str, Any]) -> None:
        batch_key, reply = self.batch_key_of(arguments), self.run(call.repeat())
        if text(reply["status"]) != Status.TAKEN:
            assert not self.model.take(batch_key, -1)
        elif not self.model.holds(batch_key, reply["token"]):
            assert self.model.take(batch_key, reply["token"])
            ref = BatchRef(SENDER, CampaignId(batch_key[0]), batch_key[1])
            self.add_worker(batch_key, Lease(ref, reply["token"], unpack_recipients(reply["recipients"])))

    def repeat_issue(self, call: RecordedCall, arguments: dict[str, Any]) -> None:
        ready = ready_batches(SENDER, self.run(call.repeat()))
        is_late = abs(arguments["host_ms"] - self.model.now_ms) > MAX_CLOCK_DIFFERENCE_MS
        self.model.issue([(batch.ref.campaign, batch.ref.number) for batch in ready], must_issue=not is_late)

    def repeat_open_block(self, call: RecordedCall, arguments: dict[str, Any]) -> None:
        name, number = batch_key = self.batch_key_of(arguments)
        reply = self.run(call.repeat())
        opening = OpenCall(
            arguments["token"],
            arguments["operation"],
            arguments["last_block"],
            arguments["max_messages"],
            self.words[name],
        )
        try:
            opened = plain(read_opened(BatchRef(SENDER, CampaignId(name), number), reply, 0))
        except LeaseLost:
            opened = LeaseLost
        if opened == CloseReason.TURN_OVER:
            self.model.end_turn(batch_key, opening.token)
            return
        try:
            expected: object = self.model.open(batch_key, opening)
        except ModelLeaseLost:
            expected = LeaseLost
        assert opened == expected, f"a repeated call of open_block returned {opened} instead of {expected}"

    def repeat_control(self, call: RecordedCall, arguments: dict[str, Any]) -> None:
        name, action = arguments["campaign"], str(arguments["action"])
        before, reply = self.model.campaigns[name].state, self.run(call.repeat())
        state = self.model.control(name, action, decided_us=int(arguments["decided_us"]))
        assert text(reply["state"]) == state
        assert action != "resume" or state == before

    def repeat_resume_sender(self, call: RecordedCall, arguments: dict[str, Any]) -> None:
        reply = self.run(call.repeat())
        resumed = self.model.resume_sender(decided_us=arguments["decided_us"])
        assert (text(reply["status"]) == Status.CHANGED) == resumed

    def repeat_set_sender(self, call: RecordedCall, arguments: dict[str, Any]) -> None:
        self.run(call.repeat())
        for field in arguments["fields"]:
            name, _, provider = str(field["name"]).partition("@")
            if provider:
                self.model.providers[provider].is_braked = True
            elif name == "paused":
                self.model.is_paused = True
        if arguments["is_stop"]:
            self.model.stopped_us = self.model.now_us

    def repeat_settle_overdue(self, call: RecordedCall, arguments: dict[str, Any]) -> None:
        (name, number), reply = self.batch_key_of(arguments), self.run(call.repeat())
        how = str(arguments["settlement"])
        settled = endings.settle(self.model, name, number, how, decided_ms=arguments["decided_ms"])
        assert reply == settled._asdict()

    def repeat_end_pending(self, call: RecordedCall, arguments: dict[str, Any]) -> None:
        reply = self.run(call.repeat())
        assert reply["ended"] == endings.end_campaign(self.model, arguments["campaign"], arguments["state"])

    def repeat_apply_reports(self, call: RecordedCall, arguments: dict[str, Any]) -> None:
        reply = self.run(call.repeat())
        rows = [
            (index, attempt, KINDS[letter], code)
            for index, attempt, letter, code, _ in REPORT.iter_unpack(arguments["reports"])
        ]
        reacted = {reaction["index"] for reaction in arguments["reactions"]}
        effects = apply_reports(self.model, self.batch_key_of(arguments), rows, reacted=reacted)
        assert text(reply["effects"]) == "".join(effects)

    def repeat_set_send_window(self, call: RecordedCall, arguments: dict[str, Any]) -> None:
        self.run(call.repeat())
        window = {name: arguments[name] for name in ("opens_ms", "closes_ms")}
        self.model.campaigns[arguments["campaign"]].set_send_window(**window)

    def repeat_renew(self, call: RecordedCall, arguments: dict[str, Any]) -> None:
        self.run(call.repeat())
