"""Lost seconds: a power cut or a failover restores an earlier state of the server, and the workers continue.

Messages that were pushed in the lost seconds are pending again. Such a message may be sent a second time, but only
until evidence of the push arrives: a result from a worker that still holds the batch, or a delivery report.
"""

import copy
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.kit.ledger_machine.repeats import RepeatedSteps
from tests.kit.ledger_machine.snapshot import dump_all, put_back
from tests.kit.ledger_machine.state import Observed
from tests.kit.ledger_model.model import Model
from times_dispatch.ledger.reports.report_applier import ReportApplier

RESTART_US = [1_000_000, 2_500_000]
"""Durations of a restart, in microseconds. A restart takes time, so a fencing token made from the clock is new."""


class ServerSnapshot(NamedTuple):
    """The ledger and its model at an earlier moment."""

    dumps: dict[bytes, Any]
    model: Model
    seen: Observed


class LostSecondsSteps(RepeatedSteps):
    """The steps of a server that loses its last seconds."""

    snapshot: ServerSnapshot | None = None

    def take_a_snapshot(self, data: st.DataObject) -> None:
        dumps = self.run(dump_all(self.ledger.redis))
        self.snapshot = ServerSnapshot(dumps, copy.deepcopy(self.model), copy.deepcopy(self.seen))

    def put_the_snapshot_back(self, data: st.DataObject) -> None:
        if not self.snapshot:
            return
        now_us, opened = self.model.now_us, self.seen.opened
        dumps, model, seen = self.snapshot
        self.run(put_back(self.ledger.redis, dumps))
        self.model, self.seen, self.snapshot = model, seen, None
        self.set_time(now_us + data.draw(st.sampled_from(RESTART_US)))
        # A campaign that was submitted in the lost seconds is gone.
        lost = {
            key: opening
            for key, opening in opened.items()
            if opening and opening != seen.opened.get(key) and key[0][0] in model.campaigns
        }
        self.seen.opened.update(lost)
        self.unproved = {key for key in self.unproved if key[0][0] in model.campaigns} | set(lost)
        self.workers = [worker for worker in self.workers if worker.batch_key[0] in model.campaigns]
        # A call from before the restart is not repeated, and the old applier remembers campaigns that are gone.
        self.calls.clear()
        self.ledger.report_applier = ReportApplier(self.ledger.redis)

    def lose_seconds(self, data: st.DataObject) -> None:
        """Let workers work between the snapshot and the power cut, and also after the restart."""
        self.take_a_snapshot(data)
        self.work(data)
        self.put_the_snapshot_back(data)
        self.compare()
        self.work(data)

    def report_a_push_of_lost_seconds(self, data: st.DataObject) -> None:
        if not self.unproved:
            return
        batch_key, index, attempt = data.draw(st.sampled_from(sorted(self.unproved)))
        kind = data.draw(st.sampled_from(["delivered", "clicked", "failed"]))
        self.apply(batch_key, [(index, attempt, kind, 901)])
        message = self.model.campaigns[batch_key[0]].batch(batch_key[1])[index]
        assert message.state != "p", "a report about one of our pushes was applied, but the message is still pending"
