"""Computes the resources for several numbers of messages a day from measured costs: ``python -m benchmarks.sizing``.

The command prints the table of docs/sizing.md. After new measurements, change ``COSTS``, and copy the table into
docs/sizing.md.
"""

from collections.abc import Callable, Iterator
from math import ceil
from typing import Final, NamedTuple

_BUSY: Final = 0.7
"""The maximum share of a core's time that the plan uses."""
_YEAR_DAYS: Final = 366
_MICRO: Final = 1e-6
_GB: Final = 1e9
_MB: Final = 1e6
_MBIT: Final = 1e6 / 8


class Costs(NamedTuple):
    """The costs of a message; microseconds are CPU time. docs/sizing.md has the source of each figure."""

    worker_us: float = 75.0
    worker_tls_us: float = 89.0
    redis_us: float = 13.0
    """The cost in ledger and broker, from the batch to the recorded outcome."""
    redis_cluster_us: float = 17.0
    """The cost in ledger and broker with three primaries, in sum."""
    redis_report_us: float = 2.4
    receiver_us: float = 78.0
    """The cost of a report that is alone in its POST; the next field has the same condition."""
    reconciler_us: float = 53.0
    receiver_of_100_us: float = 2.2
    """The cost of a report in a POST with 99 others; the next field has the same condition."""
    reconciler_of_100_us: float = 4.1
    submit_us: float = 7.5
    archive_us: float = 8.0
    link_us: float = 145.0
    """The cost of a click on a tracked link."""
    bytes_kept: float = 40.0
    """The memory of Redis, in bytes, until the campaign is archived."""
    bytes_of_caps: float = 40.0
    """The additional memory, in bytes, with ``repeat_after`` and ``max_per_number``, for their period."""
    aof_bytes: float = 1_000.0
    """The bytes that are written to the append-only file, with a report that is alone in its POST."""
    redis_bytes: float = 970.0
    """The bytes between Redis and the other processes, in both directions, with a report that is alone in its POST."""
    push_bytes: float = 830.0
    """The bytes of request and response at the provider, without TLS and TCP."""
    report_bytes: float = 570.0
    """The bytes of request and response of a report that is alone in its POST, without TLS and TCP."""
    archived_bytes: float = 32.0


class Demand(NamedTuple):
    """The number of messages a day, and the peak rate."""

    name: str
    per_day: int
    peak_per_s: int
    live_days: int
    """How many days a campaign stays in Redis: ``[retention] live``."""
    clicks: float = 0.05
    """The share of messages whose link is clicked."""
    answer_s: float = 0.1
    """The seconds that the provider takes to answer a push."""


class Row(NamedTuple):
    """A line of the table: a resource, and how the resource is computed."""

    name: str
    of: Callable[[Demand], str]
    arithmetic: str


COSTS: Final = Costs()
DEMANDS: Final = (
    Demand("1 million", 1_000_000, 500, 14),
    Demand("10 million", 10_000_000, 4_000, 14),
    Demand("100 million", 100_000_000, 20_000, 4),
    Demand("100 million, peaks of 60,000/s", 100_000_000, 60_000, 4),
)


def primaries(demand: Demand) -> int:
    """Return the number of primaries that the ledger needs: one, or an odd number of three or more."""
    if demand.peak_per_s * (COSTS.redis_us + COSTS.redis_report_us) * _MICRO <= _BUSY:
        return 1
    needed = ceil(demand.peak_per_s * (COSTS.redis_cluster_us + COSTS.redis_report_us) * _MICRO / _BUSY)
    return max(3, needed + 1 - needed % 2)


def workers(demand: Demand, us: float) -> int:
    """Return the number of worker processes for a CPU time per message, at least two."""
    return max(2, ceil(demand.peak_per_s * us * _MICRO / _BUSY))


def max_in_flight(demand: Demand) -> int:
    """Return the pushes that each worker must have in flight at the peak, with a reserve."""
    return ceil(demand.peak_per_s * demand.answer_s / _BUSY / workers(demand, COSTS.worker_us))


def cores(demand: Demand, us: float) -> float:
    """Return the cores that a cost per message takes at the peak."""
    return demand.peak_per_s * us * _MICRO


def memory_gb(demand: Demand) -> float:
    """Return the memory of Redis in GB, in sum over all primaries."""
    return demand.per_day * (demand.live_days * COSTS.bytes_kept + COSTS.bytes_of_caps) / _GB


def redis_share(demand: Demand) -> float:
    """Return the busy share of each primary's core at the peak."""
    us = COSTS.redis_us if primaries(demand) == 1 else COSTS.redis_cluster_us
    return cores(demand, us + COSTS.redis_report_us) / primaries(demand)


def all_cores(demand: Demand, us: float) -> int:
    """Return the cores of all processes, each with a core or its share of a core."""
    reports = sum(ceil(cores(demand, each) / _BUSY) for each in (COSTS.receiver_us, COSTS.reconciler_us))
    links = ceil(cores(demand, demand.clicks * COSTS.link_us) / _BUSY)
    submits_and_rest = 2
    return workers(demand, us) + primaries(demand) + reports + links + submits_and_rest


def _processes(us: float) -> Callable[[Demand], str]:
    return lambda demand: f"{cores(demand, us):.2f} → {ceil(cores(demand, us) / _BUSY)}"


ROWS: Final = (
    Row("peak, messages a second", lambda d: f"{d.peak_per_s:,}", "yours"),
    Row(
        "the whole day at the peak takes",
        lambda d: f"{d.per_day / d.peak_per_s / 60:,.0f} min",
        "a day's messages ÷ peak",
    ),
    Row(
        "cores of workers → processes",
        lambda d: f"{cores(d, COSTS.worker_us):.2f} → {workers(d, COSTS.worker_us)}",
        f"peak × {COSTS.worker_us:g} µs ÷ {_BUSY:g}, and at least 2",
    ),
    Row(
        "the same over TLS",
        lambda d: f"{cores(d, COSTS.worker_tls_us):.2f} → {workers(d, COSTS.worker_tls_us)}",
        f"peak × {COSTS.worker_tls_us:g} µs ÷ {_BUSY:g}",
    ),
    Row(
        "`max_in_flight` of each worker, if the provider answers in 0.1 s",
        lambda d: f"{max(400, max_in_flight(d)):,}",
        f"peak × 0.1 s ÷ {_BUSY:g} ÷ workers; at least 400, the default",
    ),
    Row(
        "primaries of the ledger",
        lambda d: f"{primaries(d)}",
        f"peak × ({COSTS.redis_us:g} + {COSTS.redis_report_us:g}) µs ÷ {_BUSY:g}; with more than one "
        f"({COSTS.redis_cluster_us:g} + {COSTS.redis_report_us:g}) µs, an odd number",
    ),
    Row("a primary's core is busy", lambda d: f"{redis_share(d):.0%}", "the same ÷ primaries"),
    Row(
        "memory of Redis, in sum",
        lambda d: f"{memory_gb(d):,.1f} GB",
        f"messages a day × (days in Redis × {COSTS.bytes_kept:g} B + {COSTS.bytes_of_caps:g} B for caps)",
    ),
    Row("days in Redis (`live`)", lambda d: f"{d.live_days}", "yours; reports may come for three days"),
    Row(
        "`maxmemory` of each primary",
        lambda d: f"{2 * memory_gb(d) / primaries(d):,.1f} GB",
        "twice the memory ÷ primaries",
    ),
    Row(
        "disk of the append-only files",
        lambda d: f"{3 * memory_gb(d):,.1f} GB",
        "three times the memory: the file doubles before it is rewritten",
    ),
    Row(
        "written to it at the peak",
        lambda d: f"{d.peak_per_s * COSTS.aof_bytes / _MB:,.1f} MB/s",
        f"peak × {COSTS.aof_bytes:,.0f} B",
    ),
    Row(
        "network of Redis at the peak",
        lambda d: f"{d.peak_per_s * COSTS.redis_bytes / _MBIT:,.0f} Mbit/s",
        f"peak × {COSTS.redis_bytes:g} B",
    ),
    Row(
        "network to the provider at the peak",
        lambda d: f"{d.peak_per_s * COSTS.push_bytes / _MBIT:,.0f} Mbit/s",
        f"peak × {COSTS.push_bytes:g} B",
    ),
    Row("receivers, a report a POST", _processes(COSTS.receiver_us), f"peak × {COSTS.receiver_us:g} µs ÷ {_BUSY:g}"),
    Row(
        "reconcilers, a report a POST",
        _processes(COSTS.reconciler_us),
        f"peak × {COSTS.reconciler_us:g} µs ÷ {_BUSY:g}",
    ),
    Row(
        "receivers and reconcilers, 100 a POST",
        lambda d: f"{cores(d, COSTS.receiver_of_100_us):.2f} + {cores(d, COSTS.reconciler_of_100_us):.2f} → 1 + 1",
        f"peak × {COSTS.receiver_of_100_us:g} and {COSTS.reconciler_of_100_us:g} µs ÷ {_BUSY:g}",
    ),
    Row(
        "network of reports, a report a POST",
        lambda d: f"{d.peak_per_s * COSTS.report_bytes / _MBIT:,.0f} Mbit/s",
        f"peak × {COSTS.report_bytes:g} B",
    ),
    Row(
        "links processes, 5 % click",
        lambda d: f"{cores(d, d.clicks * COSTS.link_us):.2f} → {ceil(cores(d, d.clicks * COSTS.link_us) / _BUSY)}",
        f"peak × 5 % × {COSTS.link_us:g} µs ÷ {_BUSY:g}",
    ),
    Row(
        "submit of a day's rows, CPU",
        lambda d: f"{d.per_day * COSTS.submit_us * _MICRO:,.0f} s",
        f"messages a day × {COSTS.submit_us:g} µs",
    ),
    Row(
        "archiving of a day, CPU",
        lambda d: f"{d.per_day * COSTS.archive_us * _MICRO:,.0f} s",
        f"messages a day × {COSTS.archive_us:g} µs",
    ),
    Row(
        "archive of a year",
        lambda d: f"{d.per_day * _YEAR_DAYS * COSTS.archived_bytes / _GB:,.0f} GB",
        f"messages a day × {_YEAR_DAYS} × {COSTS.archived_bytes:g} B",
    ),
    Row(
        "cores in all, plain and over TLS",
        lambda d: f"{all_cores(d, COSTS.worker_us)} and {all_cores(d, COSTS.worker_tls_us)}",
        "the processes above, and 2 for submits, beat, console and the rest",
    ),
)


def table() -> Iterator[str]:
    """Yield the lines of the table."""
    yield "| messages a day | " + " | ".join(demand.name for demand in DEMANDS) + " | arithmetic |"
    yield "|---|" + "---|" * len(DEMANDS) + "---|"
    for row in ROWS:
        yield f"| {row.name} | " + " | ".join(row.of(demand) for demand in DEMANDS) + f" | {row.arithmetic} |"


if __name__ == "__main__":
    print("\n".join(table()))
