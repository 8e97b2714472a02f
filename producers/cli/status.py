"""``dispatch status``: shows whether Redis, workers and all other processes run, and advice if they do not."""

import asyncio
import json
from collections.abc import Iterator
from functools import partial

import click
import msgspec
from redis.asyncio import Redis

from producers.cli import CliContext
from producers.cli.ledger import with_ledger
from producers.cli.output import echo, echo_report
from producers.errors import InputInvalid
from times_dispatch.broker.queues import queue_lengths
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.monitoring.heartbeats import ProcessKind, forget_kind, read_processes
from times_dispatch.plurals import counted
from times_dispatch.settings.environment import Environment, read_broker_url, read_redis_url
from times_dispatch.settings.errors import SettingsInvalid
from times_dispatch.settings.load import Need
from times_dispatch.settings.model import Settings
from times_dispatch.settings.values.durations import format_duration
from times_dispatch.status.model import DeploymentStatus, KindStatus, RedisStatus, Severity, StatusFinding
from times_dispatch.status.reader import read_status
from times_dispatch.status.roles import DISPENSABLE, clock_time

LABEL_WIDTH = 11
"""Columns of the label of a line, with the blank after it."""
EXIT_CODES = {Severity.NOTE: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}
"""Exit codes by severity, as in Nagios and in tools that follow Nagios."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--forget",
    "forgotten",
    type=click.Choice([kind.value for kind in DISPENSABLE]),
    multiple=True,
    help="First forget that such a process ever ran, because you run none any more. Once one runs, it is known again.",
)
@click.pass_obj
def status(options: CliContext, *, as_json: bool, forgotten: tuple[str, ...]) -> None:
    """Show whether all processes run, and all problems with advice, the most serious problem first.

    Exits with 0 if all is well, with 1 if something needs attention, and with 2 if nothing works. The command needs
    the address of Redis, and no valid settings file.
    """
    for kind in dict.fromkeys(map(ProcessKind, forgotten)):
        _forget(options, kind)
    now = current_status(options)
    if as_json:
        echo(json.dumps({"severity": now.severity.value, **msgspec.to_builtins(now)}))
    else:
        echo_report(*status_lines(now), indent=LABEL_WIDTH)
    if code := EXIT_CODES[now.severity]:
        raise SystemExit(code)


def _forget(options: CliContext, kind: ProcessKind) -> None:
    """Forget a kind of process, and say so on stderr, because stdout has the status.

    Raises:
        InputInvalid: such a process runs.
    """

    async def forget(redis: Redis) -> bool:
        if running := (await read_processes(redis)).alive(kind):
            record = running[0].record
            raise InputInvalid(f"--forget {kind}: {kind} {record.host}:{record.pid} runs; stop it first")
        return await forget_kind(redis, kind)

    ran = with_ledger(options, forget)
    echo(f"{kind}: forgotten until one runs again" if ran else f"{kind}: none has run yet", err=True)


def current_status(options: CliContext, *, warns: bool = True) -> DeploymentStatus:
    """Read the status.

    Args:
        options: the options of the command line.
        warns: whether to print on stderr how many mistakes the settings have; the doctor has named them already.

    Raises:
        SettingsInvalid: there is no usable address of Redis.
    """
    settings = _settings(options, warns=warns)

    async def read() -> DeploymentStatus:
        async with connect(settings.redis_url, socket_timeout_s=options.timeouts.answer_s, retries=0) as redis:
            lengths = partial(queue_lengths, settings, redis)
            return await read_status(redis, lengths, max_memory_share=settings.ledger.max_memory_share)

    return asyncio.run(read())


def _settings(options: CliContext, *, warns: bool) -> Settings:
    """Load the settings; of settings with mistakes, return only the addresses, which the environment has."""
    try:
        return options.settings(Need.LEDGER)
    except SettingsInvalid as invalid:
        environment = Environment(options.variables(needed=("DISPATCH_REDIS_", "DISPATCH_BROKER_")))
        redis_url = read_redis_url(environment, is_needed=True)
        broker_url = read_broker_url(environment, redis_url)
        if environment.mistakes:
            raise
        if warns:
            mistakes = counted(len(invalid.mistakes), "mistake")
            echo(f"warning: the settings have {mistakes}: run dispatch doctor", err=True)
        return Settings(redis_url=redis_url, broker_url=broker_url)


def status_lines(now: DeploymentStatus) -> list[str]:
    """Return a status as lines of text."""
    lines = list(_parts(now))
    return [*lines, *(finding_line(finding) for finding in now.findings)] if now.findings else [*lines, "all is well"]


def finding_line(finding: StatusFinding) -> str:
    """Return a finding as a line of text."""
    to_do = f"; {finding.to_do}" if finding.to_do else ""
    return f"{finding.severity.value:<10} {finding.problem}{to_do}"


def _parts(now: DeploymentStatus) -> Iterator[str]:
    if now.redis is None:
        return
    yield f"redis      {_redis_text(now.redis)}"
    if now.memory:
        yield f"memory     {_memory_text(now)}"
    for kind in now.kinds:
        yield f"{kind.kind:<10} {_kind_text(kind, now)}"
    upkeep = "does not run" if now.upkeep_since_ms is None else f"since {_time(now.upkeep_since_ms, now)}"
    yield f"upkeep     {upkeep}"
    if now.queues is not None:
        yield "queues     " + ", ".join(f"{name} {length:,}" for name, length in now.queues.items())
    if now.reports:
        backlog, relay = now.reports.backlog, now.reports.relay_waiting
        age = f", the oldest for {format_duration(backlog.oldest_s)}" if backlog.entries else ""
        relayed = ""
        if relay:
            relay_age = format_duration(now.reports.relay_oldest_s)
            relayed = f", {relay:,} {'waits' if relay == 1 else 'wait'} for the relay, the oldest for {relay_age}"
        if (forward := now.reports.forward).events:
            relayed += f", {forward.events:,} to be forwarded, the oldest for {format_duration(forward.oldest_s)}"
        waiting = f"{backlog.entries:,} {'waits' if backlog.entries == 1 else 'wait'}{age}"
        yield f"reports    {waiting}{relayed}; {counted(now.reports.dead_letters, 'dead letter')}"
    yield f"campaigns  {now.work.campaigns:,} live, {counted(now.work.unsent, 'message')} to send"


def _redis_text(redis: RedisStatus) -> str:
    persistence = {True: "appendonly yes", False: "appendonly no", None: ""}[redis.appendonly]
    replicas = counted(redis.replicas, "replica")
    if redis.good_replicas is not None:
        replicas += f" ({redis.good_replicas} keep up)"
    clock = f"clock {redis.ahead_s:+.1f} s"
    parts = (f"{redis.product} {redis.version}".strip(), persistence, redis.eviction_policy, replicas, clock)
    return ", ".join(part for part in parts if part)


def _memory_text(now: DeploymentStatus) -> str:
    assert now.redis  # noqa: S101  # for the type checker
    assert now.memory  # noqa: S101  # for the type checker
    used = f"{now.redis.used_bytes / 1e6:,.0f} MB"
    if not now.redis.max_bytes:
        return f"{used}, without a limit"
    lasts_s = now.memory.lasts_s
    pace = f"; at the pace of the last day it lasts {format_duration(lasts_s)}" if lasts_s is not None else ""
    return f"{used} of {now.redis.max_bytes / 1e6:,.0f} MB{pace}"


def _kind_text(kind: KindStatus, now: DeploymentStatus) -> str:
    if not kind.alive:
        return f"none since {_time(kind.last_seen_ms, now)}" if kind.last_seen_ms else "none yet"
    figures: dict[str, int] = {}
    for process in kind.alive:
        for name, value in process.record.figures.items():
            figures[name] = figures.get(name, 0) + value
    hosts = sorted({process.record.host for process in kind.alive})
    shown = f"{len(hosts):,} hosts" if len(hosts) > 3 else ", ".join(hosts)
    words = [f"{len(kind.alive):,} on {shown}", f"version {' and '.join(kind.versions)}"]
    words += [f"{name.replace('_', ' ')} {value:,}" for name, value in figures.items()]
    if kind.working:
        words.append(f"{kind.working} works" + (", the others stand by" if len(kind.alive) > 1 else ""))
    return ", ".join([*words, f"seen {min(process.silent_s for process in kind.alive):,.0f} s ago"])


def _time(epoch_ms: int, now: DeploymentStatus) -> str:
    return clock_time(epoch_ms, now_s=now.at_ms / 1000)
