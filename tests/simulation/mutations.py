"""Safeguards that can be taken out of the product, to see that the simulation finds the fault that they prevent.

Each mutation is applied in the process of a run, before anything of the world is made. A mutation whose text is no
longer in the product fails: then it has to be written anew.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from tests.simulation.violation import Invariant
from times_dispatch.ledger import control, scripts
from times_dispatch.ledger.lanes import plans
from times_dispatch.ledger.push_results import Result
from times_dispatch.provider.outcomes import Outcome, Verdict
from times_dispatch.provider.reach import OpeningLimits, ProviderReach
from workers import upkeep
from workers.batch import recorder
from workers.batch.batch_run import BatchRun
from workers.batch.batch_worker import BatchWorker
from workers.batch.failures import BatchFailures
from workers.batch.message_result import MessageResult


class Mutation(NamedTuple):
    """Take one safeguard out of the product, for a run that must then break an invariant."""

    apply: Callable[[], None]
    kinds: frozenset[Invariant]
    """The invariants of which one must break."""
    why: str
    faults: tuple[str, ...] | None = None
    """Faults that show it soonest; None is all."""
    exercises: tuple[str, ...] = ()
    """Exercises that show it; empty is a storm."""
    seed: int = 0
    """The seed of a run that shows it; 0 if no run is known."""
    storm_s: float = 0.0
    """How long the storm of that run is."""


def _in_script(name: str, before: str, after: str) -> Callable[[], None]:
    """Make a mutation that puts one text of a script in the place of another."""

    def apply() -> None:
        text = scripts.script_text(name)
        if before not in text:
            raise ValueError(f"{name}.lua no longer contains: {before}")
        changed, others = text.replace(before, after), scripts.script_text
        scripts.script_text = lambda asked: changed if asked == name else others(asked)  # type: ignore[assignment]

    return apply


def _in_lib(name: str, before: str, after: str) -> Callable[[], None]:
    """Make a mutation that puts one text of a lib in the place of another."""

    def apply() -> None:
        text = scripts.lib_text(name)
        if before not in text:
            raise ValueError(f"lib/{name}.lua no longer contains: {before}")
        scripts._replaced_libs[name] = text.replace(before, after)

    return apply


def _all(*changes: Callable[[], None]) -> Callable[[], None]:
    """Make a mutation of several changes."""

    def apply() -> None:
        for change in changes:
            change()

    return apply


def _timeout_is_not_sent() -> None:
    module: Any = recorder
    real = module.ledger_result

    def mistaken(pushed: MessageResult) -> Result:
        outcome = pushed.outcome
        if outcome and outcome.verdict is Verdict.IN_DOUBT:
            pushed = pushed._replace(outcome=Outcome(Verdict.NOT_SENT, code=outcome.code))
        result: Result = real(pushed)
        return result

    module.ledger_result = mistaken


def _pushes_begin_late() -> None:
    kind: Any = BatchRun
    kind.may_push = lambda run, _start_by: not run.stopping.is_set()


def _errors_brake_at_once() -> None:
    async def note_nothing(*_: object) -> bool:
        return False

    kind: Any = BatchFailures
    kind._note = note_nothing


def _late_blocks_go_back() -> None:
    async def confirm(batch: Any, block: object, *, asked_at: float, opened_at: float, expected_s: float) -> object:
        timings, clock = batch._context.timings, batch._context.clock
        is_late = clock.monotonic() - asked_at > timings.confirm_after_s
        return None if is_late else (block, asked_at, opened_at)

    kind: Any = BatchWorker
    kind._confirm_late = confirm


def _waiting_reports_ignored() -> None:
    async def none(_: object) -> None:
        return None

    module: Any = upkeep
    module.unapplied_reports = none


def _wrong_clock_believed() -> None:
    module: Any = upkeep
    module.clocks_agree = lambda _: True


def _each_step_reads_the_clock() -> None:
    kind: Any = upkeep.Upkeep
    real = kind._moments

    async def moments(*arguments: Any) -> dict[Any, Any]:
        return {sender: moment._replace(compared_ms=0) for sender, moment in (await real(*arguments)).items()}

    kind._moments = moments


def _lost_providers_ignored() -> None:
    kind: Any = ProviderReach
    kind.limits_of = lambda *_: OpeningLimits()
    kind.is_cut_off = kind.is_lost = lambda *_: False


def _lost_providers_stay_lost() -> None:
    kind: Any = ProviderReach
    kind.note_connection = lambda *_, **__: None


def _lanes_have_the_whole_rate() -> None:
    modules: list[Any] = [control, plans]
    for module in modules:
        module.rate_shares = lambda rate_per_s, lanes: [rate_per_s] * lanes


def _pause_stops_one_lane() -> None:
    async def the_lane_alone(_: object, sender: object, campaign: object) -> list[tuple[object, object]]:
        return [(sender, campaign)]

    kind: Any = control.Control
    kind._lanes_of = the_lane_alone


MUTATIONS = {
    "A0 errors brake at once": Mutation(
        _errors_brake_at_once,
        frozenset({Invariant.BRAKED}),
        "one unexpected error of a worker brakes the campaign",
        exercises=("unexpected_error_of_a_client",),
        seed=1,
    ),
    "A1 late blocks go back": Mutation(
        _late_blocks_go_back,
        frozenset({Invariant.STUCK, Invariant.UNFAIR}),
        "nothing is pushed while the ledger is slow",
        exercises=("slow_ledger",),
        seed=1,
    ),
    "each worker has a delay of its own": Mutation(
        _in_lib(
            "pacing",
            "return math.max(0, left_us, math.min(delay_us, MAX_DELAY_US))",
            "return math.max(0, math.min(delay_us, MAX_DELAY_US))",
        ),
        frozenset({Invariant.PACE}),
        "when the ledger becomes quick, new messages are pushed beside late ones",
        exercises=("slow_ledger_becomes_quick",),
        seed=1,
    ),
    "A3 waiting reports ignored": Mutation(
        _waiting_reports_ignored,
        frozenset({Invariant.EVIDENCE}),
        "doubt is settled while reports wait for a reconciler",
        exercises=("doubt_ends_while_reports_wait",),
        seed=1,
    ),
    "A4 resolve repeats": Mutation(
        _in_script(
            "settle_overdue",
            "if settlement ~= 'policy' and sent_at_ms >= decided_ms then return nil end",
            "",
        ),
        frozenset({Invariant.TWICE}),
        "a resolve whose answer was lost decides again what it resent",
        exercises=("resolve_is_repeated",),
        seed=1,
    ),
    "A2 every campaign is looked up": Mutation(
        _all(
            _in_lib(
                "frequency",
                "key = registry_key, entries = entries,",
                "key = registry_key, all = campaigns, entries = entries,",
            ),
            _in_lib(
                "suppression",
                "    local registry = lookup.registry\n",
                "    local registry = lookup.registry\n"
                "    for number = 1, registry.all do redis.call('HGET', registry.key, 'id:' .. number) end\n",
            ),
        ),
        frozenset({Invariant.COST}),
        "each message is looked up in each campaign that used its text lately",
        exercises=("large_block_after_many_campaigns",),
        seed=1,
    ),
    "A6 proof of a lost push refused": Mutation(
        _in_script(
            "apply_reports",
            "  if kind == REPORT_DELIVERED and state ~= DELIVERED then return DELIVERED end",
            "  if attempt > recorded_attempt or state == PENDING then return nil, UNKNOWN end\n"
            "  if kind == REPORT_DELIVERED and state ~= DELIVERED then return DELIVERED end",
        ),
        frozenset({Invariant.EVIDENCE}),
        "a report about a push that the server forgot is refused",
        exercises=("pushes_are_forgotten",),
        seed=1,
    ),
    "A7 lost wake-ups stay lost": Mutation(
        _in_script("expire_leases", "ready[#ready + 1] = batch", ""),
        frozenset({Invariant.STUCK, Invariant.UNFAIR, Invariant.UNFINISHED}),
        "a batch that no worker took is not announced again",
        exercises=("wake_ups_lost",),
        seed=1,
    ),
    "A8 wrong clock believed": Mutation(
        _wrong_clock_believed,
        frozenset({Invariant.EARLY}),
        "validities end by a clock that was set forward",
        exercises=("clock_set_forward",),
        seed=1,
    ),
    "A8 wrong clock ends doubt": Mutation(
        _wrong_clock_believed,
        frozenset({Invariant.EARLY}),
        "messages in doubt are given up by a clock that was set forward",
        exercises=("clock_set_forward_over_doubt",),
        seed=1,
    ),
    "A8 each step reads the clock": Mutation(
        _each_step_reads_the_clock,
        frozenset({Invariant.EARLY}),
        "a round that compared the clocks ends messages by a clock that was set forward since",
        exercises=("clock_set_forward_within_rounds",),
        seed=1,
    ),
    "A8 leases of a wrong clock stay": Mutation(
        _in_script(
            "expire_leases",
            "if is_sound and tonumber(later[position + 1]) > decided_ms + max_ms then",
            "if false then",
        ),
        frozenset({Invariant.STUCK}),
        "the leases of dead workers last until a clock that was set back has caught up",
        exercises=("clock_set_back_after_a_death",),
        seed=1,
    ),
    "A9 a full server refuses all": Mutation(
        _in_lib("memory", "redis.call('DEL', HASH_TAG)", ""),
        frozenset({Invariant.FULL}),
        "scripts that need no memory are refused in a full server too",
        exercises=("pause_in_a_full_server",),
        seed=1,
    ),
    "A10 turns do not end": Mutation(
        _in_script(
            "open_block",
            "if not lease.operation or (worked_ms >= 0 and worked_ms < turn_ms) then return false end",
            "if turn_ms then return false end",
        ),
        frozenset({Invariant.UNFAIR}),
        "a small campaign waits for whole batches of others",
        exercises=("small_behind_huge",),
        seed=1,
    ),
    "lost providers are used": Mutation(
        _lost_providers_ignored,
        frozenset({Invariant.STUCK}),
        "a worker that is cut off from the providers opens messages and makes every sender back off",
        exercises=("worker_cut_off_from_providers",),
        seed=1,
    ),
    "lost providers stay lost": Mutation(
        _lost_providers_stay_lost,
        frozenset({Invariant.STUCK}),
        "a worker that was cut off from a provider never tries the provider again",
        exercises=("provider_away_from_all",),
        seed=1,
    ),
    "failed messages are tried for ever": Mutation(
        _in_script("apply_reports", "if tries >= rule.at_most then return end", ""),
        frozenset({Invariant.TWICE}),
        "a message gets more second tries than the campaign's rule says",
        exercises=("failed_reports_lead_to_second_tries",),
        seed=1,
    ),
    "lanes have the whole rate": Mutation(
        _lanes_have_the_whole_rate,
        frozenset({Invariant.PACE}),
        "each lane of a sender sends at the rate of the sender",
        exercises=("sender_in_lanes",),
        seed=1,
    ),
    "a pause stops one lane": Mutation(
        _pause_stops_one_lane,
        frozenset({Invariant.PAUSE}),
        "the other lanes of a campaign go on until upkeep finds the difference",
        exercises=("sender_in_lanes",),
        seed=1,
    ),
    "no fence": Mutation(
        _all(
            _in_script("open_block", "if lease.token ~= args.token then", "if not lease.token then"),
            _in_script("record", "if lease.token ~= args.token then", "if not lease.token then"),
        ),
        frozenset({Invariant.TWICE, Invariant.FENCE, Invariant.EVIDENCE, Invariant.COUNTERS}),
        "a worker that lost its lease writes into the blocks of the new owner",
        ("worker_heard_late", "worker_frozen", "provider_throttles"),
    ),
    "not written ahead": Mutation(
        _in_script("open_block", "redis.call('SETRANGE', messages_key, first, string.rep(SENDING, size))", ""),
        frozenset({Invariant.COUNTERS, Invariant.TWICE, Invariant.FENCE}),
        "messages stay pending while they are pushed",
        seed=1,
        storm_s=20.0,
    ),
    "time-out is not sent": Mutation(
        _timeout_is_not_sent,
        frozenset({Invariant.TWICE}),
        "a push without an answer counts as one that was never sent",
        exercises=("answers_of_providers_lost",),
        seed=1,
    ),
    "pause not checked": Mutation(
        _in_lib("campaigns", "if campaign.state ~= 'running' then return campaign.state end", ""),
        frozenset({Invariant.PAUSE}),
        "blocks of a paused campaign are opened",
        seed=1,
        storm_s=200.0,
    ),
    "lost messages are pending": Mutation(
        _in_lib(
            "leases",
            "redis.call('SETRANGE', messages_key, position - 1, IN_DOUBT)",
            "redis.call('SETRANGE', messages_key, position - 1, PENDING)",
        ),
        frozenset({Invariant.COUNTERS, Invariant.TWICE}),
        "what a lost worker had in hand is sent again",
        exercises=("workers_die_while_they_push",),
        seed=1,
    ),
    "pushes begin late": Mutation(
        _pushes_begin_late,
        frozenset({Invariant.TWICE, Invariant.FENCE, Invariant.PAUSE, Invariant.PACE}),
        "a push begins however late, also after its lease",
        exercises=("workers_frozen_over_a_pause",),
        seed=1,
    ),
    "rate not kept": Mutation(
        _in_script("open_block", "if main.key then keep_send_time(", "if false then keep_send_time("),
        frozenset({Invariant.PACE}),
        "send times that were given out are given out again",
        (),
        seed=3,
        storm_s=60.0,
    ),
    "reports lost": Mutation(
        _in_script("apply_reports", "if kind == REPORT_DELIVERED and state ~= DELIVERED then return DELIVERED end", ""),
        frozenset({Invariant.EVIDENCE}),
        "a report that says delivered changes nothing",
        (),
        seed=4,
        storm_s=60.0,
    ),
}
