"""A reference model of the ledger in plain Python, without time, pace or bytes; the scripts must agree with it."""

from collections import Counter

from redis.asyncio import Redis

from tests.kit.ledger import SENDER
from tests.kit.ledger_model_campaign import (
    NEXT_STATES,
    NOT_HANDED_OVER,
    BatchKey,
    IssuedBatch,
    Message,
    ModelCampaign,
    state_after_report,
)
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.records import read_records
from times_dispatch.ledger.report_applier import ReportEffect
from times_dispatch.ledger.states import MessageState

NOT_SENT_AGAIN = 16


class ModelLeaseLost(Exception):
    """Another worker has the lease."""


class Model:
    """One sender and its campaigns."""

    def __init__(self, campaigns: dict[str, ModelCampaign]) -> None:
        self.campaigns = campaigns
        self.out: dict[BatchKey, IssuedBatch] = {}
        self.released: dict[BatchKey, tuple[int, int]] = {}
        """The token with which a batch was released last, and the number of messages that the release put in doubt."""
        self.stopped_by = ""

    def running(self) -> dict[str, ModelCampaign]:
        if self.stopped_by:
            return {}
        return {
            name: campaign
            for name, campaign in self.campaigns.items()
            if campaign.state == "running" and not campaign.expired and not campaign.shut
        }

    def delivered(self) -> set[tuple[str, int]]:
        return {
            (name, index)
            for name, campaign in self.campaigns.items()
            for index, message in enumerate(campaign.messages)
            if message.state == "d"
        }

    def may_go_on(self) -> bool:
        return any(campaign.unsent() and not campaign.is_spent() for campaign in self.running().values())

    def issue(self) -> list[BatchKey]:
        issued: list[BatchKey] = []
        for name, campaign in self.running().items():
            for number in [*campaign.redo, *range(campaign.cursor, campaign.batches)]:
                if (name, number) not in self.out:
                    self.out[name, number] = IssuedBatch()
                    issued.append((name, number))
            campaign.redo, campaign.cursor = [], campaign.batches
        return issued

    def take(self, batch_key: BatchKey, token: int) -> bool:
        """Take a batch with the next token; return whether that was possible."""
        out = self.out.get(batch_key)
        if out is None or out.token:
            return False
        campaign = self.campaigns[batch_key[0]]
        if batch_key[1] not in campaign.begun and campaign.batch(batch_key[1])[0].state != "p":
            del self.out[batch_key]
            return False
        out.token, out.blocks = token, 0
        self.campaigns[batch_key[0]].begun.add(batch_key[1])
        return True

    def holds(self, batch_key: BatchKey, token: int) -> bool:
        return batch_key in self.out and self.out[batch_key].token == token

    def open(self, batch_key: BatchKey, token: int, most: int) -> str | list[tuple[int, int]]:
        """Return the opened messages, or the reason why none can be opened."""
        if not self.holds(batch_key, token):
            raise ModelLeaseLost
        campaign = self.campaigns[batch_key[0]]
        if reason := self._why_stopped(campaign):
            return reason
        batch = campaign.batch(batch_key[1])
        pending = [index for index, message in enumerate(batch) if message.state == "p"][:most]
        if not pending:
            return "drained"
        if campaign.is_spent():
            if any(message.state == "s" for message in campaign.messages):
                return "wait"
            campaign.state = "braked"
            return "budget_spent"
        if campaign.max_parts:
            pending = pending[: campaign.max_parts - campaign.parts_out]
        campaign.parts_out += len(pending)
        out = self.out[batch_key]
        out.blocks += 1
        for index in pending:
            batch[index].state, batch[index].block = "s", out.blocks
            batch[index].code, batch[index].answered = 0, False
        return [(index, batch[index].attempt) for index in pending]

    def _why_stopped(self, campaign: ModelCampaign) -> str:
        """Return the reason why no message of a campaign can be opened; empty if there is none."""
        if campaign.state != "running":
            return campaign.state
        if campaign.expired or campaign.shut:
            return "expired" if campaign.expired else "outside_send_window"
        return self.stopped_by

    def record(self, batch_key: BatchKey, token: int, outcomes: list[tuple[int, int, str, int]], brake: bool) -> int:
        """Record outcomes of (index, block, result, code); return how many of them changed a message."""
        if not self.holds(batch_key, token):
            raise ModelLeaseLost
        campaign = self.campaigns[batch_key[0]]
        batch = campaign.batch(batch_key[1])
        changed, news = 0, False
        for index, block, result, code in sorted(outcomes):
            message = batch[index]
            if block > self.out[batch_key].blocks:  # the ledger lost the block
                regained = self._regain(campaign, message, block, result, code)
                changed, news = changed + regained, news or regained
                continue
            if message.block != block:
                continue
            if message.state == "s":
                message.state = "p" if result == "b" else result
                if message.attempt and result in "ru":
                    message.state, message.attempt = "g", message.attempt - 1
                message.code, message.answered = code, result == "a"
                changed, news = changed + 1, True
                if result not in "ai":
                    campaign.parts_out -= 1
                if result in "ar":
                    campaign.pushes.append(result == "r")
            elif result == "a" and message.state in "adf" and not message.answered:
                message.answered, news = True, True
            elif result in "pbru" and message.attempt and message.state in "adf" and not message.answered:
                message.attempt, message.block, news = message.attempt - 1, 0, True
                campaign.parts_out -= 1
        if news:
            campaign.brake_if(campaign.pushes, campaign.brake.rejected_share)
            if brake and campaign.state == "running":
                campaign.state = "braked"
        return changed

    def _regain(self, campaign: ModelCampaign, message: Message, block: int, result: str, code: int) -> bool:
        """Record what became of a message in a block that the ledger lost; return whether that changed it."""
        if message.state != "p" or result in "pb":
            return False
        message.state, message.block, message.code, message.answered = result, block, code, result == "a"
        if result in "ai":
            campaign.parts_out += 1
        elif message.attempt:
            message.state, message.attempt = "g", message.attempt - 1
        return True

    def release(self, batch_key: BatchKey, token: int) -> int:
        if not self.holds(batch_key, token):
            if self.released.get(batch_key, (0, 0))[0] != token:
                raise ModelLeaseLost
            return self.released[batch_key][1]
        self.released[batch_key] = token, self.reclaim(batch_key)
        return self.released[batch_key][1]

    def reclaim(self, batch_key: BatchKey) -> int:
        """Put the sending messages of a batch in doubt; return how many there were."""
        campaign = self.campaigns[batch_key[0]]
        batch = campaign.batch(batch_key[1])
        lost = [message for message in batch if message.state == "s"]
        for message in lost:
            message.state, message.code = "i", 13
        del self.out[batch_key]
        states = {message.state for message in batch}
        if "p" in states:
            campaign.redo.insert(0, batch_key[1])
        if states & {"a", "i"}:
            campaign.due.add(batch_key[1])
        campaign.finish_if_done()
        return len(lost)

    def expire_leases(self, batch_keys: list[BatchKey]) -> tuple[int, int, list[BatchKey]]:
        """Expire leases; return numbers of reclaimed batches and messages in doubt, and batches that go out again."""
        reclaimed, in_doubt, woken = 0, 0, []
        for batch_key in sorted(batch_keys, key=lambda batch_key: f"{batch_key[0]}:{batch_key[1]}"):
            campaign = self.campaigns[batch_key[0]]
            if campaign.state == "running" and not campaign.expired and not self.out[batch_key].token:
                woken.append(batch_key)
            else:
                reclaimed, in_doubt = reclaimed + 1, in_doubt + self.reclaim(batch_key)
        return reclaimed, in_doubt, woken

    def report(self, batch_key: BatchKey, reports: list[tuple[int, int, str, int]]) -> list[ReportEffect]:
        """Apply reports of (index, attempt, kind, code)."""
        campaign = self.campaigns[batch_key[0]]
        campaign.begun.add(batch_key[1])
        batch = campaign.batch(batch_key[1])
        answers = [ReportEffect.DUPLICATE] * len(reports)
        # Reports are sorted by message; reports about one message stay in their order.
        for position, (index, attempt, kind, code) in sorted(enumerate(reports), key=lambda item: item[1][0]):
            if index >= len(batch):
                answers[position] = ReportEffect.UNKNOWN
                continue
            message = batch[index]
            if kind == "failed" and attempt < message.attempt:
                answers[position] = ReportEffect.STALE
                continue
            to = state_after_report(message, attempt, kind)
            if not to:
                continue
            if message.state in NOT_HANDED_OVER or (message.state == "p" and not message.attempt):
                campaign.parts_out += 1
            if attempt > message.attempt or (to == "a" and message.state in "pig"):
                message.attempt = attempt
            message.state, message.code = to, code if to == "f" else 0
            answers[position] = ReportEffect.APPLIED
            if to == "a":
                campaign.due.add(batch_key[1])
            else:
                campaign.reports.append(to == "f")
        campaign.brake_if(campaign.reports, campaign.brake.failed_share)
        campaign.finish_if_done()
        return answers

    def control(self, name: str, action: str) -> str:
        campaign = self.campaigns[name]
        to = NEXT_STATES[action].get(campaign.state)
        if action == "cancel" and campaign.state == "finished" and campaign.is_in_doubt():
            to = "cancelled"
        if to:
            campaign.state = to
            if to == "running":
                campaign.reset_brakes()
                campaign.finish_if_done()
            campaign.may_end = campaign.may_end or to == "cancelled"
        return campaign.state

    def end_pending(self) -> int:
        ended = 0
        for name, campaign in self.campaigns.items():
            if not campaign.may_end or not (campaign.expired or campaign.state == "cancelled"):
                continue
            to = "x" if campaign.state == "cancelled" else "e"
            for number in range(campaign.batches):
                pending = [message for message in campaign.batch(number) if message.state == "p"]
                is_unopened = number not in campaign.begun
                if pending and is_unopened:
                    self.out.pop((name, number), None)
                    campaign.unopened_state = campaign.unopened_state or to
                if pending and (name, number) not in self.out:
                    for message in pending:
                        message.state = campaign.unopened_state if is_unopened else to
                        if message.attempt:
                            message.state, message.attempt, message.code = "g", message.attempt - 1, NOT_SENT_AGAIN
                    ended += len(pending)
            if not any(message.state == "p" for message in campaign.messages):
                campaign.cursor, campaign.redo = campaign.batches, []
            campaign.may_end = campaign.unsent() > 0
            campaign.finish_if_done()
        return ended

    def settle_overdue(self) -> tuple[int, int, int]:
        """Return the numbers of messages without a report, given up, and sent again."""
        due = sorted(
            (f"{name}:{number}", name, number) for name in self.campaigns for number in self.campaigns[name].due
        )
        totals = [self._settle(name, number, "time") for _, name, number in due]
        no_report, given_up, resent, _ = (sum(column) for column in zip((0, 0, 0, 0), *totals, strict=True))
        return no_report, given_up, resent

    def resolve(self, name: str, how: str) -> int:
        batches = [self._settle(name, number, how) for number in range(self.campaigns[name].batches)]
        return sum(resent + as_sent for _, _, resent, as_sent in batches)

    def _settle(self, name: str, number: int, how: str) -> tuple[int, int, int, int]:
        campaign = self.campaigns[name]
        if number not in campaign.begun:
            return 0, 0, 0, 0
        batch, over = campaign.batch(number), campaign.expired and not campaign.unsent()
        resends = campaign.policy == "resend" and campaign.state != "cancelled"
        changed: Counter[str] = Counter()
        for message in batch:
            to = ""
            if message.state == "a" and how == "time" and campaign.overdue:
                to = "n"
            elif message.state == "i":
                if how == "sent":
                    to = "a"
                elif how == "resend":
                    to = "p" if campaign.state != "cancelled" else ""
                elif resends and message.attempt == 0:
                    to = "p" if campaign.second or over else ""
                elif over:
                    to = "g"
            if to:
                message.state = to
                changed[to] += 1
            if to == "p":
                message.attempt, message.code, message.answered = message.attempt + 1, 0, False
        if changed["p"]:
            campaign.second = campaign.second or how == "time"
            self._send_again(campaign, name, number)
        waiting = any(message.state in "ai" for message in batch)
        campaign.due = campaign.due | {number} if waiting else campaign.due - {number}
        if changed:
            campaign.finish_if_done()
        return changed["n"], changed["g"], changed["p"], changed["a"]

    def _send_again(self, campaign: ModelCampaign, name: str, number: int) -> None:
        if campaign.state == "finished":
            campaign.state = "running"
        if campaign.expired:
            campaign.expired, campaign.may_end = False, True
        if (name, number) not in self.out:
            campaign.redo.insert(0, number)


async def assert_agrees(redis: Redis, model: Model) -> None:
    """Fail unless the ledger's counters and records equal the model's."""
    async with redis.pipeline(transaction=False) as pipe:
        for name, campaign in model.campaigns.items():
            key = campaign_key(SENDER, CampaignId(name))
            pipe.hgetall(key)
            pipe.mget([f"{key}:m:{number}" for number in range(campaign.batches)])
        replies = await pipe.execute()
    for campaign, fields, batches in zip(model.campaigns.values(), replies[::2], replies[1::2], strict=True):
        counts = {state.value: int(fields[state.value.encode()]) for state in MessageState}
        assert sum(counts.values()) == len(campaign.messages), "the counters do not add up to the total"
        assert {state: count for state, count in counts.items() if count} == campaign.counts()
        assert fields[b"state"].decode() == campaign.state
        assert int(fields[b"parts_out"]) == campaign.parts_out
        assert {number for number, records in enumerate(batches) if records} == campaign.begun
        unopened_state, unopened_before = fields.get(b"unopened_state"), int(fields.get(b"unopened_before", 0))
        assert (unopened_state or b"").decode() == campaign.unopened_state
        for number, records in enumerate(batches):
            batch = campaign.batch(number)
            has_ended = unopened_state and number < unopened_before
            without_records = MessageState(unopened_state.decode() if has_ended and unopened_state else "p")
            records_read = [
                (record.state.value, record.attempt, record.code)
                for record in read_records(records, len(batch), without_records=without_records)
            ]
            assert records_read == [(message.state, message.attempt, message.code) for message in batch]
