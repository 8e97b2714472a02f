"""Dispatch with the ledger on one Redis, on a cluster of one primary and on a cluster of three, on the same cores.

Each ledger is measured with three senders, and with one sender: without lanes on the single Redis, in lanes on the
clusters. All servers share the cores with the workers, so the figures show the cost of a cluster and not the gain. The
cases are measured in turn, and the best of three rounds counts, because other work on the machine can only make a round
slower.
"""

import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

from redis.crc import key_slot

from benchmarks.dispatch import dispatch
from benchmarks.figures import Figure
from benchmarks.nginx import Nginx
from benchmarks.rig import sender_names
from benchmarks.usage import worker_cpu
from times_dispatch.demo.redis_cluster import SLOTS, EmbeddedCluster
from times_dispatch.ledger.model import SenderId

MESSAGES = 60_000
ROUNDS = 3
_SHARDS = 3
_LANES = 4


class _Case(NamedTuple):
    primaries: int
    """The number of primaries; 0 is a Redis without cluster."""
    lanes: int
    """The number of lanes of the single sender; 0 means three senders without lanes."""

    @property
    def words(self) -> str:
        """Return a description of the case."""
        ledger = {0: "one Redis", 1: "a cluster of one primary"}.get(self.primaries, "a cluster of three primaries")
        return ledger if not self.lanes else f"{ledger}, one sender" + (" in four lanes" if self.lanes > 1 else "")

    @property
    def baseline(self) -> "_Case":
        """Return the case with which this case is compared."""
        return _Case(0, min(self.lanes, 1))


_CASES = (_Case(0, 0), _Case(1, 0), _Case(_SHARDS, 0), _Case(0, 1), _Case(1, _LANES), _Case(_SHARDS, _LANES))


class _Measured(NamedTuple):
    per_s: float
    worker_us: float
    servers_us: float


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Measure all cases in turn."""
    measured: dict[_Case, list[_Measured]] = {case: [] for case in _CASES}
    for number in range(1, ROUNDS + 1):
        for case in _CASES:
            say(f"round {number} of {ROUNDS}, {case.words}, {MESSAGES:,} messages")
            measured[case].append(_measure(case))
            say(", ".join(f"{name} {value:,.1f}" for name, value in measured[case][-1]._asdict().items()))
    best = {case: _best(rounds) for case, rounds in measured.items()}
    return [
        figure
        for case in _CASES
        if case.primaries
        for figure in (
            Figure(
                name=f"dispatch, {case.words}",
                value=best[case].per_s,
                unit="/s",
                baseline=best[case.baseline].per_s,
                note=f"servers: {best[case].servers_us:.0f} us a message, "
                f"one Redis: {best[case.baseline].servers_us:.0f}",
            ),
            Figure(
                name=f"CPU per message in the worker, {case.words}",
                value=best[case].worker_us,
                unit="µs",
                better="less",
                baseline=best[case.baseline].worker_us,
            ),
        )
    ]


def senders_on_each_shard() -> list[SenderId]:
    """Return three senders, one on each of three primaries."""
    chosen: dict[int, SenderId] = {}
    for name in sender_names(100):
        chosen.setdefault(key_slot(name.encode()) * _SHARDS // SLOTS, name)
    return list(chosen.values())


def _best(rounds: list[_Measured]) -> _Measured:
    return _Measured(
        max(each.per_s for each in rounds),
        min(each.worker_us for each in rounds),
        min(each.servers_us for each in rounds),
    )


def _measure(case: _Case) -> _Measured:
    ledger = EmbeddedCluster(primaries=case.primaries, replicas=0, appendonly=True) if case.primaries else nullcontext()
    senders = senders_on_each_shard()
    with (
        ledger as cluster,
        tempfile.TemporaryDirectory(prefix="times-dispatch-bench-") as name,
        Nginx(Path(name)) as nginx,
    ):
        per_s, used_us = dispatch(
            nginx,
            messages=MESSAGES,
            senders=senders[:1] if case.lanes else senders,
            lanes=max(case.lanes, 1),
            cluster=cluster,
        )
    return _Measured(per_s, worker_cpu(used_us), _server_cpu(used_us))


def _server_cpu(used_us: dict[str, float]) -> float:
    """Return the CPU seconds of all servers of the ledger and of the broker."""
    return sum(us for name, us in used_us.items() if name == "redis" or name.startswith("shard-"))
