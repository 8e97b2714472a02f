"""The invariants about the ledger: its counters and records agree, and every pending message can make progress."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from tests.simulation.provider import REJECTED
from tests.simulation.violation import Invariant, Violation
from tests.simulation.virtual_scripts import COSTLY_KEY, MAX_COMMANDS
from times_dispatch.ledger.keys import ProviderField
from times_dispatch.ledger.lanes.names import header_of
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.records import MessageRecord, read_records
from times_dispatch.ledger.states import MessageState, Suppression
from times_dispatch.provider.failures import Failure

if TYPE_CHECKING:
    from tests.simulation.operator import Submitted
    from tests.simulation.provider import Row
    from tests.simulation.world import World

_STATES = [state.value.encode() for state in MessageState]
_FIELDS = (
    "state",
    "reason",
    "total",
    "next_batch",
    "start_ms",
    "send_window_opens_ms",
    "send_window_closes_ms",
    "until_ms",
    "unopened_state",
    "unopened_before",
)
_RECORDS_EVERY_S = 20.0
"""The records of a campaign are read when its counters have changed, and at least this often."""
_TURNS = ("rotation", "rotation:own", "rotation:urgent", "waiting", "blocked", "send_windows")
"""The sets in which a campaign is that gets a turn now or later."""
CALM_FOR_S = 30.0
"""Seconds of calm within which every sender that may send must begin a push."""
SLOWER_BY_S = 10.0
"""How many seconds longer a round of upkeep and the first block may take while calls take up to 0.75 s."""
MAX_JUMP_S = 1_800.0
"""The largest change of the server's clock, in seconds."""
_OWN_REASONS = ("cannot be worked on", "counters_mismatch", "damaged", "not in the worker")


class Seen(NamedTuple):
    """The state of a campaign in the ledger at one moment."""

    fields: Mapping[str, bytes | None]
    counts: Mapping[bytes, int]

    def number(self, name: str) -> int:
        """Return a field as a number; 0 if the field is missing."""
        return int(float(self.fields[name] or 0))

    @property
    def state(self) -> str:
        """The state of the campaign at the last check."""
        return (self.fields["state"] or b"").decode()

    @property
    def reason(self) -> str:
        """The reason of the state."""
        return (self.fields["reason"] or b"").decode()

    @property
    def unsent(self) -> int:
        """The number of messages that are pending or sending."""
        return self.counts[b"p"] + self.counts[b"s"]


class LedgerChecks:
    """Reads and checks the ledger between two moments of virtual time."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._last: dict[str, tuple[Mapping[bytes, int], float]] = {}
        """The counters of each campaign when its records were last read, and the time of the reading."""
        self._progress_s: defaultdict[str, float] = defaultdict(float)
        """When each sender last began a push, or had no message that it could send."""
        self._begun: set[str] = set()
        """Campaigns that have begun."""
        self._may_since: dict[str, float] = {}
        """Since when each campaign with messages to send may send."""
        self._pushes = 0

    def look(self) -> dict[CampaignId, Seen]:
        """Return the state of all sealed campaigns in the ledger."""
        campaigns = list(self._world.operator.sealed)
        replies = self._world.server.peek(
            [("HMGET", self._key(campaign), *_FIELDS, *_STATES) for campaign in campaigns]
        )
        seen = dict[CampaignId, Seen]()
        for campaign, values in zip(campaigns, replies, strict=True):
            fields = dict(zip(_FIELDS, values, strict=False))
            counts = {state: int(count or 0) for state, count in zip(_STATES, values[len(_FIELDS) :], strict=True)}
            seen[campaign] = Seen(fields, counts)
        return seen

    def check(self, *, is_calm: bool) -> None:
        """Check all invariants about the ledger at this moment."""
        seen = self.look()
        now = self._world.loop.time()
        for campaign, of_campaign in seen.items():
            submitted = self._world.operator.submitted[campaign]
            self._check_counters(campaign, of_campaign, submitted)
            counts, read_s = self._last.get(campaign, ({}, 0.0))
            if counts != of_campaign.counts or (of_campaign.unsent and now - read_s >= _RECORDS_EVERY_S):
                self._last[campaign] = of_campaign.counts, now
                self._check_records(campaign, of_campaign, submitted)
        self._check_progress(seen, is_calm=is_calm)
        if self._world.server.peek([("EXISTS", COSTLY_KEY)])[0]:
            raise Violation(Invariant.COST, f"a block was opened with more than {MAX_COMMANDS:,} commands")

    def _check_counters(self, campaign: CampaignId, seen: Seen, submitted: "Submitted") -> None:
        if seen.number("total") != submitted.total or sum(seen.counts.values()) != submitted.total:
            raise Violation(Invariant.COUNTERS, f"{campaign}: they do not add up to {submitted.total}: {_words(seen)}")
        if seen.state == "braked" and any(reason in seen.reason for reason in _OWN_REASONS):
            raise Violation(Invariant.BRAKED, f"{campaign}: {seen.reason}")
        plan, now_ms = submitted.plan, self._world.now_ms()
        is_valid = now_ms < plan.valid_until_ms - 1_000
        if is_valid and (seen.counts[b"e"] or self._is_given_up_early(campaign, seen, submitted)):
            early_s = (plan.valid_until_ms - now_ms) / 1000
            raise Violation(Invariant.EARLY, f"{campaign}: messages were ended {early_s:.0f} s early: {_words(seen)}")
        # A message that was sent while the server's clock was behind seems older by the same time.
        slow_s = MAX_JUMP_S if self._world.clock_was_wrong else 0.0
        if seen.counts[b"n"] and self._age_s(campaign) < plan.report_wait_s - slow_s - 1:
            raise Violation(Invariant.EARLY, f"{campaign}: a message has no report after {self._age_s(campaign):.0f} s")

    def _is_given_up_early(self, campaign: CampaignId, seen: Seen, submitted: "Submitted") -> bool:
        """Return whether a message was given up although only the end of the validity could end its doubt.

        A message that a person sends again is given up at once if this attempt is not sent, because a provider refuses
        the message, a rule suppresses it, or the campaign is cancelled. The code in the message's record is the
        reason; a message that the clock ended has another code.
        """
        if not seen.counts[b"g"]:
            return False
        books, resent = self._world.books, self._world.operator.resolved[campaign] > 0

        def is_explained(row: "Row", code: int) -> bool:
            return (
                (code == REJECTED.code and row in books.refused)
                or code in set(Suppression)
                or (code == Failure.NOT_SENT_AGAIN and seen.state == "cancelled")
            )

        return any(
            record.state is MessageState.GIVEN_UP and not (resent and is_explained((campaign, index), record.code))
            for index, record in self._records(campaign, submitted)
        )

    def _records(self, campaign: CampaignId, submitted: "Submitted") -> Iterator[tuple[int, MessageRecord]]:
        """Yield the index of each message in its campaign, and the record of the message."""
        size = submitted.batch_size
        for number, first in enumerate(range(0, submitted.total, size)):
            packed = self._world.server.peek([("GET", f"{self._key(campaign)}:m:{number}")])[0]
            for record in read_records(packed or b"", min(size, submitted.total - first)):
                yield first + record.index, record

    def _check_records(self, campaign: CampaignId, seen: Seen, submitted: "Submitted") -> None:
        key, tag = self._key(campaign), f"{{{submitted.plan.sender}}}:"
        batches = -(-submitted.total // submitted.batch_size)
        sizes = [min(submitted.batch_size, submitted.total - n * submitted.batch_size) for n in range(batches)]
        *states, leases, redo, later = self._world.server.peek(
            [
                *(("GETRANGE", f"{key}:m:{number}", 0, size - 1) for number, size in enumerate(sizes)),
                ("ZRANGE", f"{tag}leases", 0, -1),
                ("LRANGE", f"{key}:redo", 0, -1),
                ("ZRANGE", f"{tag}blocked", 0, -1),
            ]
        )
        turns = self._world.server.peek([("ZSCORE", f"{tag}{name}", campaign) for name in _TURNS])
        ended, before = seen.fields["unopened_state"], seen.number("unopened_before")
        all_states = [
            of_batch or (ended if ended and number < before else b"p") * size
            for number, (of_batch, size) in enumerate(zip(states, sizes, strict=True))
        ]
        counted = Counter(b"".join(all_states))
        if any(counted[state[0]] != seen.counts[state] for state in _STATES):
            records = {chr(state): count for state, count in counted.items()}
            raise Violation(Invariant.COUNTERS, f"{campaign}: counters say {_words(seen)}, records {records}")
        held = {member.partition(b":")[2] for member in leases if member.startswith(campaign.encode() + b":")}
        # Batches whose remaining messages all wait for the outcome of copies in other campaigns.
        waits = {member.partition(b":")[2] for member in later if member.startswith(campaign.encode() + b":")}
        to_do = held | set(redo) | waits
        next_batch = seen.number("next_batch")
        lost = [
            number
            for number, of_batch in enumerate(all_states)
            if (b"p" in of_batch and number < next_batch and b"%d" % number not in to_do)
            or (b"s" in of_batch and b"%d" % number not in held)
        ]
        is_over = seen.state == "cancelled" or seen.number("until_ms") <= self._server_ms()
        if lost and not is_over:
            raise Violation(Invariant.REACHABLE, f"{campaign}: nothing will issue batch {lost[0]}: {_words(seen)}")
        is_queued = held or waits or any(score is not None for score in turns)
        if seen.state == "running" and seen.counts[b"p"] and not is_queued and not is_over:
            raise Violation(Invariant.REACHABLE, f"{campaign} runs, and nothing will give it a turn: {_words(seen)}")

    def _check_progress(self, seen: Mapping[CampaignId, Seen], *, is_calm: bool) -> None:
        world, now = self._world, self._world.loop.time()
        for begun in world.books.begun[self._pushes :]:
            self._progress_s[world.operator.submitted[begun.row[0]].plan.sender] = begun.at_s
            self._begun.add(begun.row[0])
        self._pushes = len(world.books.begun)
        waiting = self._waiting_for_copies()
        for campaign in waiting:
            self._may_since.pop(campaign, None)
        ready = {
            campaign: of for campaign, of in seen.items() if self._may_send(campaign, of) and campaign not in waiting
        }
        by_sender: defaultdict[str, list[CampaignId]] = defaultdict(list)
        for campaign in ready:
            by_sender[world.operator.submitted[campaign].plan.sender].append(campaign)
        for lane in world.lanes():
            if not is_calm or lane not in by_sender or self._sender_is_held(lane):
                self._progress_s[lane] = now
                self._may_since.update(dict.fromkeys(by_sender[lane], now))
        for sender, campaigns in by_sender.items():
            if now - self._progress_s[sender] > CALM_FOR_S:
                still = "; ".join(f"{campaign}: {_words(seen[campaign])}" for campaign in campaigns[:3])
                raise Violation(Invariant.STUCK, f"{sender} has sent nothing for {CALM_FOR_S:.0f} s of calm; {still}")
            if is_calm:
                self._check_fair(sender, campaigns)

    def _waiting_for_copies(self) -> set[str]:
        """Return the campaigns with a batch that waits for the outcome of messages in other campaigns."""
        lanes = self._world.lanes()
        blocked = self._world.server.peek([("ZRANGE", f"{{{lane}}}:blocked", 0, -1) for lane in lanes])
        return {member.partition(b":")[0].decode() for members in blocked for member in members}

    def _check_fair(self, sender: str, campaigns: list[CampaignId]) -> None:
        world, now = self._world, self._world.loop.time()
        within_s = 6.0 + 3.0 * len(campaigns) + (SLOWER_BY_S if now <= world.slow_until_s else 0.0)
        urgent = [campaign for campaign in campaigns if world.operator.submitted[campaign].plan.urgent]
        if urgent:  # urgent campaigns get every send time that they need, and the others wait
            self._may_since.update(dict.fromkeys(set(campaigns) - set(urgent), now))
        for campaign in urgent or campaigns:
            since_s = max(world.operator.sealed[campaign], world.calm_since_s())
            may_since_s = self._may_since.setdefault(campaign, now)
            waited_s = now - max(since_s, may_since_s)
            if campaign not in self._begun and waited_s > within_s:
                raise Violation(
                    Invariant.UNFAIR,
                    f"{campaign} waits for {waited_s:.0f} s behind {len(campaigns) - 1} others of {sender}",
                )

    def _may_send(self, campaign: CampaignId, seen: Seen) -> bool:
        now_ms = self._world.now_ms()
        may = (
            seen.state == "running"
            and seen.counts[b"p"] > 0
            and seen.number("start_ms") <= now_ms < seen.number("until_ms") - 2_000
            and (
                not seen.number("send_window_closes_ms")
                or seen.number("send_window_opens_ms") <= now_ms < seen.number("send_window_closes_ms") - 2_000
            )
        )
        if not may:
            self._may_since.pop(campaign, None)
        return may

    def _sender_is_held(self, sender: str) -> bool:
        """Return whether a sender is paused, has reached its daily cap, or backs off from a provider."""
        world, now_ms = self._world, self._server_ms()
        back_offs = [
            f"{ProviderField.BACK_OFF_UNTIL_US}@{name}" for name in world.settings.senders[header_of(sender)].chain
        ]
        fields = ("HMGET", f"{{{sender}}}:sender", "paused", "full_day", *back_offs)
        paused, full_day, *until = world.server.peek([fields])[0]
        is_full = full_day is not None and int(full_day) == (now_ms + 19_800_000) // 86_400_000
        return paused == b"1" or is_full or any(float(until_us or 0) > now_ms * 1000 for until_us in until)

    def check_end(self) -> None:
        """Compare every record with the providers' books, after the end of all campaigns and reports."""
        for campaign, submitted in self._world.operator.submitted.items():
            for index, record in self._records(campaign, submitted):
                self._check_record(campaign, index, record.state)

    def _check_record(self, campaign: CampaignId, index: int, state: MessageState) -> None:
        books, row = self._world.books, (campaign, index)
        known = books.known.get(row, {})
        if "delivered" in known and state is not MessageState.DELIVERED:
            raise Violation(
                Invariant.EVIDENCE, f"message {index} of {campaign} is {state.label}, but was reported as delivered"
            )
        is_accepted = row in books.accepted
        had = {MessageState.DELIVERED, MessageState.FAILED, MessageState.ACCEPTED}
        if campaign in self._world.operator.resolved_as_sent:
            had.remove(MessageState.ACCEPTED)
        if state in had and not is_accepted:
            raise Violation(
                Invariant.EVIDENCE, f"message {index} of {campaign} is {state.label}, but no provider accepted it"
            )
        unsent = {MessageState.EXPIRED, MessageState.CANCELLED, MessageState.SUPPRESSED, MessageState.REJECTED}
        if state in unsent and is_accepted and not self._is_excused(campaign, row):
            raise Violation(
                Invariant.EVIDENCE, f"message {index} of {campaign} is {state.label}, but a provider accepted it"
            )

    def _is_excused(self, campaign: CampaignId, row: "Row") -> bool:
        """Return whether a message may end as unsent although a provider accepted it: second attempts, lost pushes."""
        operator, world = self._world.operator, self._world
        may_repeat = operator.submitted[campaign].plan.in_doubt == "resend" or operator.resolved[campaign]
        return bool(may_repeat) or any(
            world.was_forgotten(copy.at_s, tolerance_s=1.5) for copy in world.books.accepted[row]
        )

    def _age_s(self, campaign: CampaignId) -> float:
        return self._world.loop.time() - self._world.operator.sealed[campaign]

    def _server_ms(self) -> int:
        return self._world.server.now_us() // 1000

    def _key(self, campaign: CampaignId) -> str:
        return f"{{{self._world.operator.submitted[campaign].plan.sender}}}:c:{campaign}"


def _words(seen: Seen) -> str:
    counts = ", ".join(
        f"{seen.counts[state.value.encode()]} {state.label}"
        for state in MessageState
        if seen.counts[state.value.encode()]
    )
    return f"{seen.state}{f' ({seen.reason})' if seen.reason else ''}, {counts}"
