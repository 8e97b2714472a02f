"""Dispatch over TLS 1.3 and without TLS, in turn, with the same messages; the better of two rounds counts.

Other work on the machine can only make a round slower. The measurement begins after a warm-up, in which the workers
make their connections: about 800 handshakes, which a campaign of any size pays once.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.dispatch import dispatch
from benchmarks.figures import Figure
from benchmarks.nginx import Nginx
from benchmarks.usage import worker_cpu

MESSAGES = 200_000
WARM_UP = 40_000
ROUNDS = 2
_KEEPALIVE_REQUESTS = 1_000
"""By default nginx closes a connection after this number of requests; a new connection resumes a session."""


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Measure dispatch with and without TLS in turn."""
    rates: dict[bool, list[float]] = {False: [], True: []}
    cpu_us: dict[bool, list[float]] = {False: [], True: []}
    provider_us: dict[bool, list[float]] = {False: [], True: []}
    connections = resumed = 0
    for number in range(1, ROUNDS + 1):
        for is_tls in (False, True):
            say(f"round {number} of {ROUNDS}, {'TLS 1.3' if is_tls else 'plain'}, {MESSAGES:,} messages")
            with tempfile.TemporaryDirectory(prefix="times-dispatch-bench-") as name:
                with Nginx(Path(name), is_tls=is_tls, keepalive_requests=_KEEPALIVE_REQUESTS) as nginx:
                    per_s, used_us = dispatch(nginx, messages=WARM_UP + MESSAGES, warm_up=WARM_UP)
                if is_tls:
                    counts = nginx.connections()
                    connections, resumed = connections + counts[0], resumed + counts[1]
            rates[is_tls].append(per_s)
            cpu_us[is_tls].append(worker_cpu(used_us))
            provider_us[is_tls].append(used_us["nginx"])
    plain_us, tls_us = min(cpu_us[False]), min(cpu_us[True])
    nginx_note = f"nginx itself: {min(provider_us[False]):.0f} µs plain, {min(provider_us[True]):.0f} µs over TLS"
    return [
        Figure(
            name="dispatch over TLS 1.3",
            value=max(rates[True]),
            unit="/s",
            baseline=max(rates[False]),
            note=f"baseline: plain; nginx shares the cores, and pays for TLS too. {nginx_note}",
        ),
        Figure(
            name="CPU per message in the worker, over TLS 1.3",
            value=tls_us,
            unit="µs",
            better="less",
            must=1.25 * plain_us,
            baseline=plain_us,
            note="1.25 × the CPU of plain is 20 % of the rate",
        ),
        Figure(
            name="TLS sessions that were resumed",
            value=100 * resumed / max(1, connections),
            unit="%",
            must=50,
            note=f"{resumed:,} of {connections:,} connections",
        ),
    ]
