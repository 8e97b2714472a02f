"""The status lists the running processes, and each problem with its remedy, the most serious problem first."""

import asyncio

import msgspec
import pytest
from redis.asyncio import Redis
from redis.exceptions import BusyLoadingError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.kit.clock import FakeClock
from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from tests.kit.processes_seen import let_run
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.keys import CAMPAIGNS, DEAD_LETTER_TOTALS, DEAD_LETTERS, KINDS_SEEN, REPORTS, UPKEEP_SINCE
from times_dispatch.ledger.monitoring.heartbeats import Heartbeat, ProcessKind
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.status.model import DeploymentStatus, Severity, StatusFinding
from times_dispatch.status.reader import read_status

USUAL = (
    ProcessKind.WORKER,
    ProcessKind.BEAT,
    ProcessKind.RECEIVER,
    ProcessKind.RECONCILER,
    ProcessKind.FLOWER,
)


async def _lengths() -> dict[str, int]:
    return {"upkeep": 0, "urgent": 0, "bulk": 3}


async def _status(redis: Redis) -> DeploymentStatus:
    return await read_status(redis, _lengths)


async def _let_all_run(redis: Redis) -> None:
    await let_run(redis, *USUAL)
    await redis.set(UPKEEP_SINCE, "1790000000000")


def _serious(status: DeploymentStatus) -> list[StatusFinding]:
    """Return the findings without notes and without the warning about the tests' own Redis."""
    return [item for item in status.findings if item.severity != Severity.NOTE and "appendonly" not in item.problem]


async def test_nothing_is_wrong_while_all_processes_run(redis: Redis) -> None:
    await _let_all_run(redis)
    status = await _status(redis)
    assert _serious(status) == []
    assert status.redis
    assert status.redis.version
    assert [(kind.kind, len(kind.alive), kind.silent) for kind in status.kinds] == [(kind, 1, []) for kind in USUAL]
    assert status.queues == {"upkeep": 0, "urgent": 0, "bulk": 3}
    assert status.upkeep_since_ms == 1_790_000_000_000


async def test_a_status_becomes_json_and_comes_back(redis: Redis) -> None:
    await _let_all_run(redis)
    status = await _status(redis)
    assert msgspec.json.decode(msgspec.json.encode(status), type=DeploymentStatus) == status


async def test_an_empty_ledger_lacks_workers_and_beat_and_only_notes_the_others(redis: Redis) -> None:
    status = await _status(redis)
    critical = [item.problem for item in status.findings if item.severity is Severity.CRITICAL]
    assert critical == [
        "no worker has run yet: nothing is sent",
        "no beat has run yet: no campaign starts or ends by its time, and the work of lost workers stays undone",
    ]
    notes = [item.problem for item in status.findings if item.severity is Severity.NOTE]
    assert "no receiver has run yet: no delivery report is taken" in notes
    assert status.severity is Severity.CRITICAL


@pytest.mark.parametrize(
    ("kind", "severity"),
    [
        (ProcessKind.WORKER, Severity.CRITICAL),
        (ProcessKind.RECEIVER, Severity.WARNING),
        (ProcessKind.RECONCILER, Severity.WARNING),
        (ProcessKind.LINKS, Severity.WARNING),
        (ProcessKind.FLOWER, Severity.NOTE),
    ],
)
async def test_a_kind_that_ran_and_is_gone_is_missed_with_what_to_start(
    redis: Redis, kind: ProcessKind, severity: Severity
) -> None:
    await let_run(redis, *(other for other in USUAL if other is not kind))
    await redis.set(UPKEEP_SINCE, "1790000000000")
    await redis.hset(KINDS_SEEN, kind, str(1_790_000_000_000))
    (finding,) = [item for item in (await _status(redis)).findings if item.problem.startswith(f"no {kind} since 2026-")]
    assert finding.severity is severity
    assert finding.to_do.startswith("start one: ")


async def test_processes_of_two_versions_are_named(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    await _let_all_run(redis)
    heartbeat = Heartbeat(redis, ProcessKind.CONSOLE)
    monkeypatch.setattr(heartbeat, "_record", msgspec.structs.replace(heartbeat._record, version="9.9"))
    await heartbeat.beat()
    (finding,) = _serious(await _status(redis))
    assert finding.problem.startswith("processes of different versions run: worker ")
    assert "console 9.9" in finding.problem


async def test_a_host_with_a_wrong_clock_is_named(redis: Redis) -> None:
    await _let_all_run(redis)
    await Heartbeat(redis, ProcessKind.WORKER, clock=FakeClock(epoch=1)).beat()
    (finding,) = _serious(await _status(redis))
    assert finding.problem.startswith("the clock of host ")
    assert finding.problem.endswith(" s behind Redis'")


async def test_upkeep_that_does_not_run_is_critical_although_all_processes_run(redis: Redis) -> None:
    await let_run(redis, *USUAL)
    (finding,) = _serious(await _status(redis))
    assert (finding.severity, finding.problem.partition(":")[0]) == (
        Severity.CRITICAL,
        "workers and beat run, but upkeep does not",
    )


async def test_reports_that_wait_for_a_minute_and_dead_letters_are_counted(redis: Redis) -> None:
    await _let_all_run(redis)
    seconds, _ = await redis.time()
    await redis.xadd(REPORTS, {"b": b"[]"}, id=f"{(int(seconds) - 7_280) * 1000}-0")
    await redis.xadd(DEAD_LETTERS, {"b": b"x"})
    await redis.hset(DEAD_LETTER_TOTALS, "forged", "7")
    status = await _status(redis)
    assert [item.problem for item in _serious(status)] == ["1 post of reports waits, the oldest for 2h 1m"]
    assert status.reports
    assert (status.reports.dead_letters, status.reports.dead_letters_ever) == (1, 7)


async def test_stopped_senders_and_campaigns_are_listed_with_the_command_that_resumes_them(ledger: Ledger) -> None:
    await _let_all_run(ledger.redis)
    await ledger.submit(3)
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.BRAKE, reason="wrong price")
    await ledger.control.brake_provider(SENDER, "times", "no balance")
    await ledger.control.pause_sender(SENDER, reason="told by +919876543210")
    status = await _status(ledger.redis)
    assert [(stop.subject.split(" (")[0], stop.reason, stop.command, stop.by_person) for stop in status.stops] == [
        (f"sender {SENDER}", "paused: told by …", f"dispatch sender resume {SENDER}", True),
        (f"sender {SENDER}", "provider times is braked: no balance", f"dispatch sender resume {SENDER}", False),
        (f"campaign {CAMPAIGN}", "braked: wrong price", f"dispatch resume {CAMPAIGN}", False),
    ]
    assert len(_serious(status)) == 2
    assert (status.work.campaigns, status.work.unsent) == (1, 3)


async def test_no_stop_has_a_phone_number_of_a_name_or_a_reason(ledger: Ledger) -> None:
    named = "asked by 98765 43210"
    await ledger.submit(3, name=named)
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.BRAKE, reason=named)
    await ledger.control.brake_provider(SENDER, "times", named)
    status = await _status(ledger.redis)
    assert [(stop.subject, stop.reason) for stop in status.stops] == [
        (f"sender {SENDER}", "provider times is braked: asked by …"),
        (f"campaign {CAMPAIGN} (asked by …)", "braked: asked by …"),
    ]


async def test_campaigns_that_cannot_be_read_are_named(ledger: Ledger) -> None:
    await _let_all_run(ledger.redis)
    await ledger.redis.sadd(f"{{{SENDER}}}:live", "broken01")
    await ledger.redis.sadd("senders", SENDER)
    await ledger.redis.hset(f"{{{SENDER}}}:c:broken01", "state", "nonsense")
    assert [item.problem for item in _serious(await _status(ledger.redis))] == [
        "campaigns that cannot be read: broken01"
    ]
    await ledger.redis.hdel(CAMPAIGNS, "broken01")


async def test_a_broker_that_is_unavailable_is_critical(redis: Redis) -> None:
    await _let_all_run(redis)

    async def unavailable() -> dict[str, int]:
        raise RedisConnectionError

    status = await read_status(redis, unavailable)
    assert status.queues is None
    assert [item.severity for item in _serious(status)] == [Severity.CRITICAL]


async def test_an_unavailable_redis_is_the_only_finding() -> None:
    async with connect("redis://127.0.0.1:1/0", retries=0) as nowhere:
        status = await _status(nowhere)
    assert status.redis is None
    (finding,) = status.findings
    assert finding.problem == "Redis at 127.0.0.1:1 is unavailable: no connection"
    assert finding.severity is Severity.CRITICAL


async def test_a_slot_that_moves_is_told_in_words(redis: Redis) -> None:
    async def moving() -> None:
        raise TryAgainError("x")

    (finding,) = (await read_status(redis, _lengths, read_work=moving)).findings  # type: ignore[arg-type]
    assert "is moving data that are needed here to another node of the cluster" in finding.problem
    assert "docs/cluster.md" in finding.to_do


async def test_a_redis_that_loads_its_data_is_waited_for(redis: Redis) -> None:
    async def loading() -> None:
        raise BusyLoadingError

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            writer.write(b"-LOADING Redis is loading the dataset in memory\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"redis://127.0.0.1:{port}/0", retries=0) as restarted:
            (at_first,) = (await _status(restarted)).findings
    (later,) = (await read_status(redis, _lengths, read_work=loading)).findings  # type: ignore[arg-type]
    for finding in (at_first, later):
        assert "is still loading its data" in finding.problem
        assert finding.to_do == "wait: sending goes on by itself when the data are loaded"
