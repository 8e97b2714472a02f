"""Takes a safeguard out of the product: replaces a text of a Lua script, or a function of a module."""

from collections.abc import Callable
from typing import Any

from times_dispatch.ledger import control, scripts
from times_dispatch.ledger.lanes import plans
from times_dispatch.ledger.maintenance import Maintenance
from times_dispatch.ledger.push_results import Result
from times_dispatch.provider.outcomes import Outcome, Verdict
from times_dispatch.provider.reach import OpeningLimits, ProviderReach
from workers import upkeep
from workers.batch import recorder
from workers.batch.batch_run import BatchRun
from workers.batch.batch_worker import BatchWorker
from workers.batch.failures import BatchFailures
from workers.batch.message_result import MessageResult


def in_script(name: str, before: str, after: str) -> Callable[[], None]:
    """Make a mutation that replaces a text of a script by another text."""

    def apply() -> None:
        text = scripts.script_text(name)
        if before not in text:
            raise ValueError(f"{name}.lua no longer contains: {before}")
        changed, others = text.replace(before, after), scripts.script_text
        scripts.script_text = lambda asked: changed if asked == name else others(asked)  # type: ignore[assignment]

    return apply


def in_lib(name: str, before: str, after: str) -> Callable[[], None]:
    """Make a mutation that replaces a text of a Lua library by another text."""

    def apply() -> None:
        text = scripts.lib_text(name)
        if before not in text:
            raise ValueError(f"lib/{name}.lua no longer contains: {before}")
        scripts._replaced_libs[name] = text.replace(before, after)

    return apply


def combined(*changes: Callable[[], None]) -> Callable[[], None]:
    """Make a mutation of several changes."""

    def apply() -> None:
        for change in changes:
            change()

    return apply


def timeout_is_not_sent() -> None:
    module: Any = recorder
    real = module.ledger_result

    def mistaken(pushed: MessageResult) -> Result:
        outcome = pushed.outcome
        if outcome and outcome.verdict is Verdict.IN_DOUBT:
            pushed = pushed._replace(outcome=Outcome(Verdict.NOT_SENT, code=outcome.code))
        result: Result = real(pushed)
        return result

    module.ledger_result = mistaken


def pushes_begin_late() -> None:
    kind: Any = BatchRun
    kind.may_push = lambda run, _start_by: not run.stopping.is_set()


def errors_brake_at_once() -> None:
    async def note_nothing(*_: object) -> bool:
        return False

    kind: Any = BatchFailures
    kind._note = note_nothing


def late_blocks_go_back() -> None:
    async def confirm(batch: Any, block: object, *, asked_at: float, opened_at: float, expected_s: float) -> object:
        timings, clock = batch._context.timings, batch._context.clock
        is_late = clock.monotonic() - asked_at > timings.confirm_after_s
        return None if is_late else (block, asked_at, opened_at)

    kind: Any = BatchWorker
    kind._confirm_late = confirm


def waiting_reports_ignored() -> None:
    async def none(_: object) -> None:
        return None

    module: Any = upkeep
    module.unapplied_reports = none


def wrong_clock_believed() -> None:
    module: Any = upkeep
    module.clocks_agree = lambda _: True


def each_step_reads_the_clock() -> None:
    kind: Any = upkeep.Upkeep
    real = kind._moments

    async def moments(*arguments: Any) -> dict[Any, Any]:
        return {sender: moment._replace(compared_ms=0) for sender, moment in (await real(*arguments)).items()}

    kind._moments = moments


def _each_call_reads_the_clock(name: str) -> Callable[[], None]:
    """Make a mutation in which a step of upkeep reads the clock itself, and not when the clocks were compared."""

    def apply() -> None:
        kind: Any = Maintenance
        real = getattr(kind, name)

        async def call(self: object, sender: object, *, decided_ms: int = 0) -> object:
            return await real(self, sender, decided_ms=0)

        setattr(kind, name, call)

    return apply


leases_expire_by_the_clock = _each_call_reads_the_clock("expire_leases")


def lost_providers_ignored() -> None:
    kind: Any = ProviderReach
    kind.limits_of = lambda *_: OpeningLimits()
    kind.is_cut_off = kind.is_lost = lambda *_: False


def lost_providers_stay_lost() -> None:
    kind: Any = ProviderReach
    kind.note_connection = lambda *_, **__: None


def lanes_have_the_whole_rate() -> None:
    modules: list[Any] = [control, plans]
    for module in modules:
        module.rate_shares = lambda rate_per_s, lanes: [rate_per_s] * lanes


def pause_stops_one_lane() -> None:
    async def the_lane_alone(_: object, sender: object, campaign: object) -> list[tuple[object, object]]:
        return [(sender, campaign)]

    kind: Any = control.Control
    kind._lanes_of = the_lane_alone
