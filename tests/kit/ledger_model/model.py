"""One sender and its campaigns: batches are issued, taken, opened, recorded and released."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.kit.ledger_model.blocks import Chosen, IssuedBatch, ModelLeaseLost, OpenCall, OpenedBlock
from tests.kit.ledger_model.campaign import BatchKey, Message, ModelCampaign
from tests.kit.ledger_model.frequency import FrequencyCaps, ModelEntry, Text
from tests.kit.ledger_model.pace import MAX_AHEAD_US, Pace
from tests.kit.ledger_model.providers import Choice, Providers

INDIA_OFFSET_MS = 19_800_000
DAY_MS = 86_400_000
AHEAD_US, TOLERANCE_US, MAX_OWN_BURST_US = 40_000, 10_000, 50_000
TURN_US = 2_000_000
"""The shortest turn of a campaign."""
BATCHES_OUT_S = 2.0
"""How many seconds of messages the batches out of a sender hold."""


@dataclass
class Model:
    """The whole state of a sender, at a time that stands still."""

    now_us: int
    campaigns: dict[str, ModelCampaign] = field(default_factory=dict)
    out: dict[BatchKey, IssuedBatch] = field(default_factory=dict)
    released: dict[BatchKey, tuple[int, int]] = field(default_factory=dict)
    """The token with which a batch was released last, and the number of messages that the release put in doubt."""
    providers: Providers = field(default_factory=Providers)
    caps: FrequencyCaps = field(default_factory=FrequencyCaps)
    pace: Pace = field(default_factory=Pace)
    is_paused: bool = False
    stopped_us: int = 0
    """When the sender was last paused, or braked at a provider."""
    max_parts_per_day: int = 0
    day: int = 0
    day_parts: int = 0
    full_day: int = 0

    @property
    def now_ms(self) -> int:
        return self.now_us // 1000

    def today(self) -> int:
        return day_of(self.now_ms)

    def find(self, name: str, index: int) -> Message:
        return self.campaigns[name].messages[index]

    def delivered(self) -> set[tuple[str, int]]:
        return {
            (name, index)
            for name, campaign in self.campaigns.items()
            for index, message in enumerate(campaign.messages)
            if message.state == "d"
        }

    # Issue and take

    def may_issue(self, name: str) -> bool:
        """Say whether the campaign and its sender run now."""
        campaign = self.campaigns[name]
        return not self.is_paused and self.full_day != self.today() and not campaign.why_closed(self.now_ms)

    def reachable(self, name: str) -> set[int]:
        """Return the batches with pending messages that the ledger must issue in the next turns of the campaign."""
        campaign = self.campaigns[name]
        if not self.may_issue(name) or isinstance(self.providers.choose(campaign.chain, self.now_us), str):
            return set()
        return {
            number
            for number in range(campaign.batches)
            if (name, number) not in self.out
            and campaign.waits_until_ms.get(number, 0) <= self.now_ms
            and any(message.state == "p" for message in campaign.batch(number))
        }

    def issue(self, issued: Sequence[BatchKey], *, must_issue: bool = True) -> None:
        """Issue the batches that the ledger issued; fail if the ledger may not issue them, or had to issue more.

        *must_issue* is false if the caller's clock differs from Redis' clock so much that no campaign starts.
        """
        reachable = {name: self.reachable(name) for name in self.campaigns}
        groups = {name: campaign.turn_group() for name, campaign in self.campaigns.items()}
        busy = {groups[name] for name, _ in self.out}
        for name, number in issued:
            campaign = self.campaigns[name]
            assert self.may_issue(name), f"{name} does not run, but one of its batches is issued"
            assert (name, number) not in self.out, f"batch {number} of {name} is issued twice"
            assert number <= campaign.cursor, f"batch {number} of {name} is issued before batch {campaign.cursor}"
            campaign.cursor = max(campaign.cursor, number + 1)
            campaign.waits_until_ms.pop(number, None)
            self.out[name, number] = IssuedBatch()
        for group in set(groups.values()) - busy if must_issue else ():
            waiting = any(reachable[name] for name in self.campaigns if groups[name] == group)
            assert not waiting or any(groups[name] == group for name, _ in issued), f"nothing is issued: {reachable}"

    def take(self, batch_key: BatchKey, token: int) -> bool:
        """Take a batch with the next token; return whether the batch could be taken."""
        out = self.out.get(batch_key)
        if out is None or out.token:
            return False
        campaign = self.campaigns[batch_key[0]]
        if batch_key[1] not in campaign.begun and campaign.batch(batch_key[1])[0].state != "p":
            del self.out[batch_key]
            return False
        self.out[batch_key] = IssuedBatch(token=token, taken_us=self.now_us)
        campaign.begun.add(batch_key[1])
        return True

    def holds(self, batch_key: BatchKey, token: int) -> bool:
        return batch_key in self.out and self.out[batch_key].token == token

    # Open

    def end_turn(self, batch_key: BatchKey, token: int) -> None:
        """End the turn of a batch; fail if the turn is too short. The model ignores whether other campaigns wait."""
        out = self.out[batch_key]
        assert self.holds(batch_key, token), "the turn of another worker's batch ends"
        if not self._must_leave(batch_key):
            assert out.operation, "a turn ends before it has begun"
            assert self.now_us - out.taken_us >= TURN_US, "a turn ends early"
        out.is_out = False

    def _must_leave(self, batch_key: BatchKey) -> bool:
        """Say whether a batch must wait for the rate, and more batches of its group are out than the rate needs."""
        campaign, out = self.campaigns[batch_key[0]], self.out[batch_key]
        if not self.pace.rate_per_s or campaign.pace.rate_per_s or self._why_too_early(campaign) != "rate_limit":
            return False
        group, size = campaign.turn_group(), campaign.size if out.operation else 1
        are_out = sum(
            other.is_out and self.campaigns[name].turn_group() == group for (name, _), other in self.out.items()
        )
        return are_out > max(2, math.ceil(BATCHES_OUT_S * self.pace.rate_per_s / size) + 1)

    def open(self, batch_key: BatchKey, call: OpenCall) -> OpenedBlock | str:
        """Open a block, or return the reason why no block can be opened."""
        if not self.holds(batch_key, call.token):
            raise ModelLeaseLost
        out, campaign = self.out[batch_key], self.campaigns[batch_key[0]]
        if out.opened and out.operation == call.operation:
            return out.opened
        if call.last_block < out.worker_block:  # an earlier call, which is repeated late
            raise ModelLeaseLost
        provider = self._provider_for(out, campaign, call.last_block)
        if isinstance(provider, str):
            return provider
        batch = campaign.batch(batch_key[1])
        if not any(message.state == "p" for message in batch[out.first_pending :]):
            out.first_pending, out.is_out = len(batch), False
            return "copy_on_its_way" if out.waits_until_ms else "drained"
        if reason := self._why_too_early(campaign):
            return "turn_over" if self._must_leave(batch_key) else reason
        chosen = self._choose(batch_key, call, 1 if provider.is_probe else call.max_messages)
        if not chosen.indexes and chosen.too_large:
            return self._no_parts_left(campaign, chosen.too_large)
        return self._mark_sending(batch_key, call, provider, chosen)

    def _provider_for(self, out: IssuedBatch, campaign: ModelCampaign, last_block: int) -> Choice | str:
        """Return the provider for a block, or the reason why the campaign or the sender opens no block."""
        if last_block > out.blocks:
            return "blocks_lost"
        if reason := campaign.why_closed(self.now_ms) or ("sender_paused" if self.is_paused else ""):
            return reason
        return self.providers.choose(campaign.chain, self.now_us)

    def _send_times(self, campaign: ModelCampaign) -> tuple[int, int, int | None]:
        """Return the next send time, the interval of send times, and the next time by the campaign's own rate."""
        main, own = (self.pace, campaign.pace) if self.pace.rate_per_s else (campaign.pace, Pace())
        own_us = None
        if own.rate_per_s:
            earliest_us = self.now_us - min(AHEAD_US + TOLERANCE_US, MAX_OWN_BURST_US)
            own_us = own.next_us(self.now_us, earliest_us=earliest_us)
        if not main.rate_per_s:
            return self.now_us, 0, own_us
        return main.next_us(self.now_us, earliest_us=self.now_us - TOLERANCE_US), main.unit_us, own_us

    def _ahead_us(self, campaign: ModelCampaign) -> int:
        """Return how far ahead of the clock the send times of a campaign may be: 0 while an urgent batch is out."""
        has_rate = self.pace.rate_per_s or campaign.pace.rate_per_s
        if not has_rate or campaign.urgent:
            return AHEAD_US
        return 0 if any(out.is_out and self.campaigns[name].urgent for (name, _), out in self.out.items()) else AHEAD_US

    def _why_too_early(self, campaign: ModelCampaign) -> str:
        first_us, _, own_us = self._send_times(campaign)
        if own_us is not None and own_us > self.now_us:
            return "campaign_limit"
        return "rate_limit" if first_us > self.now_us + self._ahead_us(campaign) else ""

    def _parts_left(self, campaign: ModelCampaign) -> tuple[float, float]:
        """Return how many parts the budget and the daily cap have left."""
        infinite = float("inf")
        today = self.day_parts if self.day == self.today() else 0
        return (
            campaign.max_parts - campaign.parts_out if campaign.max_parts else infinite,
            self.max_parts_per_day - today if self.max_parts_per_day else infinite,
        )

    def _choose(self, batch_key: BatchKey, call: OpenCall, most: int) -> Chosen:
        name, number = batch_key
        campaign = self.campaigns[name]
        batch, parts_left = campaign.batch(number), min(self._parts_left(campaign))
        first_us, unit_us, own_us = self._send_times(campaign)
        chosen = Chosen([], {}, [], first_us, unit_us, len(batch), too_large=0)
        units = parts = 0
        last_us = self.now_us + self._ahead_us(campaign)
        for index in range(self.out[batch_key].first_pending, len(batch)):
            if batch[index].state != "p":
                continue
            is_early = first_us + units * unit_us > last_us
            if own_us is not None:
                is_early = is_early or own_us + units * campaign.pace.unit_us > self.now_us
            if len(chosen.indexes) == most or is_early:
                return chosen._replace(next_index=index)
            text = Text(number * campaign.size + index, call.word)
            verdict = self.caps.check(name, text, self.now_us // 1_000_000, self.find)
            if verdict.code:
                chosen.suppressed[index] = verdict.code
            elif verdict.wait_ms:
                chosen.waits_ms.append(verdict.wait_ms)
            elif parts + batch[index].parts > parts_left:
                return chosen._replace(next_index=index, too_large=batch[index].parts)
            else:
                chosen.indexes.append(index)
                parts, units = parts + batch[index].parts, units + campaign.cost(batch[index])
        return chosen

    def _no_parts_left(self, campaign: ModelCampaign, parts: int) -> str:
        if any(message.state == "s" for message in campaign.messages):
            return "campaign_limit"
        if self._parts_left(campaign)[0] < parts:
            campaign.brake_now(self.now_us)
            return "budget_spent"
        self.full_day = self.today()
        return "day_used_up"

    def _mark_sending(self, batch_key: BatchKey, call: OpenCall, provider: Choice, chosen: Chosen) -> OpenedBlock:
        name, number = batch_key
        out, campaign = self.out[batch_key], self.campaigns[name]
        batch = campaign.batch(number)
        out.blocks += 1
        for index, code in chosen.suppressed.items():
            message = batch[index]
            if message.has_failed:
                message.keep_failure()
                continue
            message.state, message.block, message.code, message.answered = "u", out.blocks, code, False
            if message.attempt:
                message.state, message.attempt = "g", message.attempt - 1
        now_s = self.now_us // 1_000_000
        entries = [
            (ModelEntry(name, number * campaign.size + index, batch[index].attempt, now_s), call.word)
            for index in chosen.indexes
        ]
        self.caps.add(entries, now_s, self.find)
        units = 0
        for index in chosen.indexes:
            message = batch[index]
            starts_in_us = chosen.first_us - self.now_us + units * chosen.unit_us
            units += campaign.cost(message)
            message.sent_ms = self.now_ms - campaign.created_ms + max(0, starts_in_us // 1000)
            message.state, message.block, message.answered = "s", out.blocks, False
            message.code = message.code if message.has_failed else 0
        messages = [(index, batch[index].attempt) for index in chosen.indexes]
        out.first_pending, out.operation, out.worker_block = chosen.next_index, call.operation, call.last_block
        out.opened = OpenedBlock(out.blocks, messages, provider.chain_index, len(chosen.suppressed))
        if chosen.waits_ms:
            again_ms = self.now_ms + min(chosen.waits_ms)
            out.waits_until_ms = min(out.waits_until_ms or again_ms, again_ms)
        if messages:
            self._spend(campaign, [batch[index] for index in chosen.indexes], chosen, provider)
        return out.opened

    def _spend(self, campaign: ModelCampaign, messages: list[Message], chosen: Chosen, provider: Choice) -> None:
        parts, costs = sum(message.parts for message in messages), [campaign.cost(message) for message in messages]
        before_last = sum(costs[:-1])
        campaign.parts_out += parts
        if self.max_parts_per_day:
            self.day_parts = parts + (self.day_parts if self.day == self.today() else 0)
            self.day = self.today()
        own_us = self._send_times(campaign)[2]
        if own_us is not None:
            campaign.pace.keep(own_us + before_last * campaign.pace.unit_us, cost=costs[-1])
        main = self.pace if self.pace.rate_per_s else campaign.pace
        if main.rate_per_s:
            main.keep(chosen.first_us + before_last * chosen.unit_us, cost=costs[-1])
        if provider.is_probe:
            self.providers[campaign.chain[provider.chain_index]].probe_us = self.now_us + 1_000_000

    def confirm(self, batch_key: BatchKey, token: int, block: int, *, provider: str, units: int) -> int | None:
        """Return in how many microseconds a late block may be pushed; None if the block may not be pushed.

        Args:
            batch_key: The batch.
            token: The fencing token of the worker.
            block: The number of the block.
            provider: The provider of the block.
            units: How many messages need new send times; 0 if the block keeps its send times.
        """
        if not self.holds(batch_key, token) or self.out[batch_key].blocks != block:
            raise ModelLeaseLost
        campaign = self.campaigns[batch_key[0]]
        if campaign.why_closed(self.now_ms) or self.is_paused or self.providers[provider].is_braked:
            return None
        if not units:
            return 0
        paces = [pace for pace in (self.pace, campaign.pace) if pace.rate_per_s]
        next_us = [pace.next_us(self.now_us, earliest_us=self.now_us) for pace in paces]
        first_us = max(self.now_us, *next_us, 0)
        if first_us > self.now_us + MAX_AHEAD_US:
            return None
        for pace, own_us in zip(paces, next_us, strict=True):
            pace.keep(first_us if pace is self.pace else own_us, cost=units)
        return first_us - self.now_us

    # Brake

    def brake_provider(self, provider: str) -> None:
        if not self.providers[provider].is_braked:
            self.providers[provider].is_braked, self.stopped_us = True, self.now_us

    # Release

    def release(self, batch_key: BatchKey, token: int) -> int:
        if not self.holds(batch_key, token):
            if self.released.get(batch_key, (0, 0))[0] != token:
                raise ModelLeaseLost
            return self.released[batch_key][1]
        self.released[batch_key] = token, self.reclaim(batch_key)
        return self.released[batch_key][1]

    def reclaim(self, batch_key: BatchKey) -> int:
        """Put the ``sending`` messages of a batch in doubt; return their number."""
        name, number = batch_key
        campaign, out = self.campaigns[name], self.out.pop(batch_key)
        batch = campaign.batch(number)
        lost = [message for message in batch if message.state == "s"]
        for message in lost:
            message.state, message.code = "i", 13
        states = {message.state for message in batch}
        if "p" in states and out.waits_until_ms and out.first_pending >= len(batch):
            campaign.waits_until_ms[number] = out.waits_until_ms
        if states & {"a", "i"}:
            campaign.due.add(number)
        campaign.finish_if_done()
        return len(lost)

    def expire_leases(self, batch_keys: list[BatchKey]) -> tuple[int, int, list[BatchKey]]:
        """Expire leases; return the numbers of reclaimed batches and messages in doubt, and the batches to wake for."""
        reclaimed, in_doubt, woken = 0, 0, []
        for batch_key in sorted(batch_keys, key=lambda batch_key: f"{batch_key[0]}:{batch_key[1]}"):
            campaign = self.campaigns[batch_key[0]]
            if campaign.state == "running" and not campaign.expired and not self.out[batch_key].token:
                woken.append(batch_key)
            else:
                reclaimed, in_doubt = reclaimed + 1, in_doubt + self.reclaim(batch_key)
        return reclaimed, in_doubt, woken

    # Stop and resume

    def control(self, name: str, action: str, *, decided_us: int) -> str:
        """Apply an action of a person to a campaign; return its state."""
        campaign = self.campaigns[name]
        match action, campaign.state:
            case ("pause", "running" | "braked"):
                campaign.stop("paused", self.now_us)
            case ("brake", "running"):
                campaign.stop("braked", self.now_us)
            case ("resume", "paused" | "braked") if campaign.stopped_us < decided_us:
                campaign.state = "running"
                campaign.reset_brakes()
                campaign.finish_if_done()
            case ("cancel", "running" | "paused" | "braked"):
                campaign.state, campaign.may_end = "cancelled", True
                campaign.waiting.clear()
            case ("cancel", "finished") if campaign.is_in_doubt():
                campaign.state, campaign.may_end = "cancelled", True
        return campaign.state

    def resume_sender(self, *, decided_us: int) -> bool:
        if self.stopped_us >= decided_us:
            return False
        self.is_paused, self.providers = False, self.providers.resumed(decided_us=decided_us)
        return True


def day_of(ms: int) -> int:
    """Return the day since the epoch in Asia/Kolkata."""
    return (ms + INDIA_OFFSET_MS) // DAY_MS
