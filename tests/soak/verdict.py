"""The verdicts of a soak: which values grow, and whether every count is as required."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from tests.chaos.testbed import REDIS
from tests.soak.key_kinds import STUB, is_kept
from tests.soak.sampling import KeySample, ProcessSample, Sampler
from tests.soak.trend import Limit, Point, Trend, after, trend

WARM_UP_SHARE = 0.25
"""The first share of a run, or of a process' life, whose samples are not judged, because caches are filled then."""
MIN_LIFE_S = 600.0
"""Seconds: a process that has run for less since its last start is judged only at the same age."""
SAME_AGE_S = (30.0, 60.0)
"""The age, in seconds, at which the lives of a process that is killed repeatedly are compared."""
MAX_KEPT_BYTES = 2_000.0
"""How many bytes may stay in Redis permanently for each archived campaign."""

_MEASURES = {
    "memory, MB": ("pss_mb", Limit(0.06, 4.0)),
    "file handles": ("handles", Limit(0.10, 4.0)),
    "connections": ("connections", Limit(0.15, 4.0)),
    "inbound connections": ("inbound", Limit(0.0, math.inf)),
    "threads": ("threads", Limit(0.10, 2.0)),
}
"""Inbound connections are not judged: clients decide how many they keep open. The count of connections that are held
while the clients are idle is judged instead.
"""
_REDIS_MEMORY = Limit(0.15, 8.0)
"""Redis sometimes has a child process that rewrites the append-only file."""
_WORKER_HANDLES = Limit(0.10, 16.0)
"""A worker opens a broker connection with three files for each thread that wakes workers at the same time. On two cores
there are six threads, and one of the threads has its connection from the start.
"""
_REDIS_LIMITS = {"connected clients": Limit(0.15, 8.0), "consumers of the stream reports": Limit(0.0, 4.0)}
_STREAM_LIMIT = Limit(0.10, 200.0)
_USED_LIMIT = Limit(0.06, 1.0)
_KIND_KEYS, _KIND_BYTES = Limit(0.25, 5.0), Limit(0.25, 20_000.0)
_ALL_KEYS = Limit(0.10, 100.0)
_NOT_JUDGED = ("sandbox",)
"""The sandbox keeps its books in memory, and is not part of the product."""
_MB = 1e6


class GrowthRow(NamedTuple):
    """A value that must not grow."""

    name: str
    trend: Trend | None
    """None if the run was too short."""


class CountRow(NamedTuple):
    """A count at the end of a run."""

    name: str
    value: str
    must_be: str
    holds: bool


def growth_rows(sampler: Sampler) -> list[GrowthRow]:
    """Return the verdicts about all values, those about processes first."""
    rows = [
        row
        for name, samples in sampler.processes.items()
        if name not in _NOT_JUDGED
        for row in process_rows(name, samples)
    ]
    return rows + list(_redis_rows(sampler)) + list(_key_rows(sampler.keys))


def kept_row(samples: Sequence[KeySample]) -> CountRow:
    """Return how much an archived campaign leaves in Redis permanently, computed from the growth of all such keys."""
    name, must_be = "kept in Redis for good, for each archived campaign", f"≤ {MAX_KEPT_BYTES:,.0f} bytes"
    judged = _judged(samples)
    stubs = judged[-1].keys[STUB] - judged[0].keys[STUB] if judged else 0
    if stubs <= 0:
        return CountRow(name, "-", must_be, True)
    grown = _kept_bytes(judged[-1]) - _kept_bytes(judged[0])
    return CountRow(name, f"{grown / stubs:,.0f} bytes ({stubs:,} campaigns)", must_be, grown / stubs <= MAX_KEPT_BYTES)


def growing_kinds(samples: Sequence[KeySample]) -> list[GrowthRow]:
    """Return each kind of keys that grows in number or in bytes, except for kinds that are kept."""
    judged = _judged(samples)
    rows = []
    for kind in sorted({kind for sample in judged for kind in sample.keys if not is_kept(kind)}):
        counted = trend([(sample.at_s, float(sample.keys[kind])) for sample in judged], _KIND_KEYS)
        sized = trend([(sample.at_s, float(sample.bytes[kind])) for sample in judged], _KIND_BYTES)
        rows += [GrowthRow(f"keys {kind}", counted)] if counted and counted.grows else []
        rows += [GrowthRow(f"bytes of {kind}", sized)] if sized and sized.grows else []
    return rows


def process_rows(name: str, samples: Sequence[ProcessSample]) -> Iterator[GrowthRow]:
    """Yield the verdicts about a process, from the samples of all its lives."""
    lives = [list(life) for _, life in groupby(samples, key=lambda sample: sample.pid)]
    last = lives[-1]
    if last[-1].at_s - last[0].at_s >= MIN_LIFE_S:
        begins_s = last[0].at_s + WARM_UP_SHARE * (last[-1].at_s - last[0].at_s)
        yield from _measured(name, [sample for sample in last if sample.at_s >= begins_s])
    elif len(lives) == 1:
        yield GrowthRow(f"{name}: all", None)
    if len(lives) > 1:
        of_age = [sample for sample in samples if SAME_AGE_S[0] <= sample.age_s <= SAME_AGE_S[1]]
        begins_s = WARM_UP_SHARE * samples[-1].at_s
        rows = list(_measured(f"{name} at the same age", [sample for sample in of_age if sample.at_s >= begins_s]))
        yield from (row for row in rows if row.trend)


def _measured(name: str, samples: Sequence[ProcessSample]) -> Iterator[GrowthRow]:
    for measure, (field, limit) in _MEASURES.items():
        points: list[Point] = [(sample.at_s, float(getattr(sample, field))) for sample in samples]
        if field == "inbound" and not any(value for _, value in points):
            continue
        own = {"pss_mb": _REDIS_MEMORY} if name.startswith(REDIS) else {}
        own = {"handles": _WORKER_HANDLES} if name.startswith("worker") else own
        yield GrowthRow(f"{name}: {measure}", trend(points, own.get(field, limit)))


def _redis_rows(sampler: Sampler) -> Iterator[GrowthRow]:
    for name, points in sampler.redis.items():
        limit = _STREAM_LIMIT if name.startswith("stream ") else _REDIS_LIMITS.get(name)
        if limit and points:
            yield GrowthRow(f"Redis: {name}", trend(after(points, WARM_UP_SHARE * points[-1][0]), limit))


def _key_rows(samples: Sequence[KeySample]) -> Iterator[GrowthRow]:
    judged = _judged(samples)
    used: list[Point] = [(sample.at_s, (sample.used_bytes - _kept_bytes(sample)) / _MB) for sample in judged]
    counts: list[Point] = [
        (sample.at_s, float(sum(number for kind, number in sample.keys.items() if not is_kept(kind))))
        for sample in judged
    ]
    yield GrowthRow("Redis: used memory without what is kept for good, MB", trend(used, _USED_LIMIT))
    yield GrowthRow("Redis: keys without what is kept for good", trend(counts, _ALL_KEYS))
    yield from growing_kinds(samples)


def _judged(samples: Sequence[KeySample]) -> list[KeySample]:
    return [sample for sample in samples if sample.at_s >= WARM_UP_SHARE * samples[-1].at_s]


def _kept_bytes(sample: KeySample) -> int:
    return sum(size for kind, size in sample.bytes.items() if is_kept(kind))
