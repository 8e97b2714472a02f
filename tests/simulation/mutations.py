"""Safeguards that can be taken out of the product, to check that the simulation finds the faults that they prevent.

Each mutation is applied in the process of a run, before the world is created. A mutation fails if the product no longer
contains the text that the mutation replaces: then the mutation must be rewritten.
"""

from collections.abc import Callable
from typing import NamedTuple

from tests.simulation import takeouts
from tests.simulation.violation import Invariant


class Mutation(NamedTuple):
    """Takes one safeguard out of the product, for a run that must then break an invariant."""

    apply: Callable[[], None]
    kinds: frozenset[Invariant]
    """The invariants, one of which must break."""
    why: str
    faults: tuple[str, ...] | None = None
    """The faults with which the missing safeguard is found soonest; None for all faults."""
    exercises: tuple[str, ...] = ()
    """The exercises in which the missing safeguard is found; empty for a storm."""
    seed: int = 0
    """The seed of a run that finds the missing safeguard; 0 if no such run is known."""
    storm_s: float = 0.0
    """The duration of the storm in that run, in seconds."""


MUTATIONS = {
    "A0 errors brake at once": Mutation(
        takeouts.errors_brake_at_once,
        frozenset({Invariant.BRAKED}),
        "one unexpected error of a worker brakes the campaign",
        exercises=("unexpected_error_of_a_client",),
        seed=1,
    ),
    "A1 late blocks go back": Mutation(
        takeouts.late_blocks_go_back,
        frozenset({Invariant.STUCK, Invariant.UNFAIR}),
        "nothing is pushed while the ledger is slow",
        exercises=("slow_ledger",),
        seed=1,
    ),
    "each worker has a delay of its own": Mutation(
        takeouts.in_lib(
            "pacing",
            "return math.max(0, left_us, math.min(delay_us, MAX_DELAY_US))",
            "return math.max(0, math.min(delay_us, MAX_DELAY_US))",
        ),
        frozenset({Invariant.PACE}),
        "when the ledger becomes quick, new messages are pushed beside late ones",
        exercises=("slow_ledger_becomes_quick",),
        seed=2,
    ),
    "A3 waiting reports ignored": Mutation(
        takeouts.waiting_reports_ignored,
        frozenset({Invariant.EVIDENCE}),
        "doubt is settled while reports wait for a reconciler",
        exercises=("doubt_ends_while_reports_wait",),
        seed=1,
    ),
    "A4 resolve repeats": Mutation(
        takeouts.in_script(
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
        takeouts.combined(
            takeouts.in_lib(
                "frequency",
                "key = registry_key, entries = entries,",
                "key = registry_key, all = campaigns, entries = entries,",
            ),
            takeouts.in_lib(
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
        takeouts.in_script(
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
        takeouts.in_script("expire_leases", "ready[#ready + 1] = batch", ""),
        frozenset({Invariant.STUCK, Invariant.UNFAIR, Invariant.UNFINISHED}),
        "a batch that no worker took is not announced again",
        exercises=("wake_ups_lost",),
        seed=1,
    ),
    "A8 wrong clock believed": Mutation(
        takeouts.wrong_clock_believed,
        frozenset({Invariant.EARLY}),
        "validities end by a clock that was set forward",
        exercises=("clock_set_forward",),
        seed=1,
    ),
    "A8 wrong clock ends doubt": Mutation(
        takeouts.wrong_clock_believed,
        frozenset({Invariant.EARLY}),
        "messages in doubt are given up by a clock that was set forward",
        exercises=("clock_set_forward_over_doubt",),
        seed=1,
    ),
    "A8 each step reads the clock": Mutation(
        takeouts.each_step_reads_the_clock,
        frozenset({Invariant.EARLY}),
        "a round that compared the clocks ends messages by a clock that was set forward since",
        exercises=("clock_set_forward_within_rounds",),
        seed=1,
    ),
    "A8 leases expire by the clock of the call": Mutation(
        takeouts.leases_expire_by_the_clock,
        frozenset({Invariant.EARLY}),
        "a round that found the leases in order ends them by a clock that was set forward since",
        exercises=("clock_set_forward_over_leases",),
        seed=1,
    ),
    "A8 leases of a wrong clock stay": Mutation(
        takeouts.in_script(
            "expire_leases",
            "if is_sound and tonumber(later[position + 1]) > later_ms + max_ms then",
            "if false then",
        ),
        frozenset({Invariant.STUCK}),
        "the leases of dead workers last until a clock that was set back has caught up",
        exercises=("clock_set_back_after_a_death",),
        seed=1,
    ),
    "A9 a full server refuses all": Mutation(
        takeouts.in_lib("memory", "redis.call('DEL', HASH_TAG)", ""),
        frozenset({Invariant.FULL}),
        "scripts that need no memory are refused in a full server too",
        exercises=("pause_in_a_full_server",),
        seed=1,
    ),
    "A10 turns do not end": Mutation(
        takeouts.in_script(
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
        takeouts.lost_providers_ignored,
        frozenset({Invariant.STUCK}),
        "a worker that is cut off from the providers opens messages and makes every sender back off",
        exercises=("worker_cut_off_from_providers",),
        seed=1,
    ),
    "lost providers stay lost": Mutation(
        takeouts.lost_providers_stay_lost,
        frozenset({Invariant.STUCK}),
        "a worker that was cut off from a provider never tries the provider again",
        exercises=("provider_away_from_all",),
        seed=2,
    ),
    "failed messages are tried for ever": Mutation(
        takeouts.in_script("apply_reports", "if tries >= rule.at_most then return end", ""),
        frozenset({Invariant.TWICE}),
        "a message gets more second tries than the campaign's rule says",
        exercises=("failed_reports_lead_to_second_tries",),
        seed=1,
    ),
    "a second try keeps its id": Mutation(
        takeouts.in_script("settle_overdue", "string.char(fields.attempt + 1)", "string.char(fields.attempt)"),
        frozenset({Invariant.TWICE}),
        "a message is sent again under an id that the provider has accepted",
        exercises=("reports_of_failure_come_at_once",),
        seed=1,
    ),
    "lanes have the whole rate": Mutation(
        takeouts.lanes_have_the_whole_rate,
        frozenset({Invariant.PACE}),
        "each lane of a sender sends at the rate of the sender",
        exercises=("sender_in_lanes",),
        seed=1,
    ),
    "a pause stops one lane": Mutation(
        takeouts.pause_stops_one_lane,
        frozenset({Invariant.PAUSE}),
        "the other lanes of a campaign go on until upkeep finds the difference",
        exercises=("sender_in_lanes",),
        seed=1,
    ),
    "no fence": Mutation(
        takeouts.combined(
            takeouts.in_script("open_block", "if lease.token ~= args.token then", "if not lease.token then"),
            takeouts.in_script("record", "if lease.token ~= args.token then", "if not lease.token then"),
        ),
        frozenset({Invariant.TWICE, Invariant.FENCE, Invariant.EVIDENCE, Invariant.COUNTERS}),
        "a worker that lost its lease writes into the blocks of the new owner",
        ("worker_heard_late", "worker_frozen", "provider_throttles"),
    ),
    "not written ahead": Mutation(
        takeouts.in_script("open_block", "redis.call('SETRANGE', messages_key, first, string.rep(SENDING, size))", ""),
        frozenset({Invariant.COUNTERS, Invariant.TWICE, Invariant.FENCE}),
        "messages stay pending while they are pushed",
        seed=1,
        storm_s=20.0,
    ),
    "time-out is not sent": Mutation(
        takeouts.timeout_is_not_sent,
        frozenset({Invariant.TWICE}),
        "a push without an answer counts as one that was never sent",
        exercises=("answers_of_providers_lost",),
        seed=1,
    ),
    "pause not checked": Mutation(
        takeouts.in_lib("campaigns", "if campaign.state ~= 'running' then return campaign.state end", ""),
        frozenset({Invariant.PAUSE}),
        "blocks of a paused campaign are opened",
        seed=3,
        storm_s=200.0,
    ),
    "lost messages are pending": Mutation(
        takeouts.in_lib(
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
        takeouts.pushes_begin_late,
        frozenset({Invariant.TWICE, Invariant.FENCE, Invariant.PAUSE, Invariant.PACE}),
        "a push begins however late, also after its lease",
        exercises=("workers_frozen_over_a_pause",),
        seed=1,
    ),
    "rate not kept": Mutation(
        takeouts.in_script(
            "open_block", "if main.key then\n  keep_send_time(main", "if main.key then\n  local _ = type(main"
        ),
        frozenset({Invariant.PACE}),
        "send times that were given out are given out again",
        (),
        seed=3,
        storm_s=60.0,
    ),
    "reports lost": Mutation(
        takeouts.in_script(
            "apply_reports", "if kind == REPORT_DELIVERED and state ~= DELIVERED then return DELIVERED end", ""
        ),
        frozenset({Invariant.EVIDENCE}),
        "a report that says delivered changes nothing",
        (),
        seed=4,
        storm_s=60.0,
    ),
}
