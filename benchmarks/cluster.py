"""Dispatch with the ledger on one Redis, and on a cluster of one and of three primaries, on the same cores.

All of them share the cores with the workers, so the figures show what a cluster costs and not what it gains. The three
are measured in turn; of three rounds the best counts, because other work on the machine makes a round slower only.
"""

import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

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
_KINDS = {0: "one Redis", 1: "a cluster of one primary", _SHARDS: "a cluster of three primaries"}
"""By the number of primaries; 0 is a Redis without cluster."""


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Measure all three in turn."""
    rates: dict[int, list[float]] = {kind: [] for kind in _KINDS}
    workers_us: dict[int, list[float]] = {kind: [] for kind in _KINDS}
    servers_us: dict[int, list[float]] = {kind: [] for kind in _KINDS}
    for number in range(1, ROUNDS + 1):
        for kind, words in _KINDS.items():
            say(f"round {number} of {ROUNDS}, {words}, {MESSAGES:,} messages")
            per_s, used_us = _measure(kind)
            rates[kind].append(per_s)
            workers_us[kind].append(worker_cpu(used_us))
            servers_us[kind].append(_server_cpu(used_us))
    return [
        figure
        for kind in (1, _SHARDS)
        for figure in (
            Figure(
                name=f"dispatch, {_KINDS[kind]}",
                value=max(rates[kind]),
                unit="/s",
                baseline=max(rates[0]),
                note=f"servers: {min(servers_us[kind]):.0f} us a message, one Redis: {min(servers_us[0]):.0f}",
            ),
            Figure(
                name=f"CPU per message in the worker, {_KINDS[kind]}",
                value=min(workers_us[kind]),
                unit="µs",
                better="less",
                baseline=min(workers_us[0]),
            ),
        )
    ]


def senders_on_each_shard() -> list[SenderId]:
    """Return three senders, one on each of three primaries."""
    chosen: dict[int, SenderId] = {}
    for name in sender_names(100):
        chosen.setdefault(key_slot(name.encode()) * _SHARDS // SLOTS, name)
    return list(chosen.values())


def _measure(primaries: int) -> tuple[float, dict[str, float]]:
    ledger = EmbeddedCluster(primaries=primaries, replicas=0, appendonly=True) if primaries else nullcontext()
    with (
        ledger as cluster,
        tempfile.TemporaryDirectory(prefix="times-dispatch-bench-") as name,
        Nginx(Path(name)) as nginx,
    ):
        return dispatch(nginx, messages=MESSAGES, senders=senders_on_each_shard(), cluster=cluster)


def _server_cpu(used_us: dict[str, float]) -> float:
    """Return the sum over the servers of the ledger and of the broker."""
    return sum(us for name, us in used_us.items() if name == "redis" or name.startswith("shard-"))
