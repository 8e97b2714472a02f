"""The gain of a second worker, and the rate with a slow provider as a share of the ideal rate."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.rig import BenchmarkRig, sender_names
from benchmarks.seeding import write_many
from benchmarks.slow_provider import SlowProvider

SENDERS = 4
_FAST_MS = 50
_FAST_IN_FLIGHT = 100
"""The pushes in flight of each worker: with 2,000/s for each worker, all processes of both runs fit on two cores."""
_SLOW_MS, _TAIL_SHARE, _TAIL_MS = 300, 0.01, 5_000
_SLOW_IN_FLIGHT = 400
_WARM_UP_S = 3.0
_FAST_S = 8.0
_SLOW_S = 15.0


def scaling(say: Callable[[str], None]) -> list[Figure]:
    """Measure the rate of one worker, then of two workers."""
    rates = []
    for workers in (1, 2):
        say(f"{workers} of 2 workers")
        with tempfile.TemporaryDirectory() as name, SlowProvider(Path(name), latency_ms=_FAST_MS) as provider:
            rates.append(
                _rate(provider, workers=workers, in_flight=_FAST_IN_FLIGHT, warm_up_s=_WARM_UP_S, seconds=_FAST_S)
            )
    return [
        Figure(
            name="scaling, 1 to 2 workers at 50 ms",
            value=rates[1] / rates[0],
            unit="×",
            must=1.9,
            aim=2.0,
            baseline=None,
            note=f"{rates[0]:,.0f}/s and {rates[1]:,.0f}/s, {_FAST_IN_FLIGHT} in flight each",
        )
    ]


def slow(say: Callable[[str], None]) -> list[Figure]:
    """Measure two workers with a provider that answers slowly, and sometimes very slowly."""
    say("two workers")
    ideal = 2 * _SLOW_IN_FLIGHT / ((1 - _TAIL_SHARE) * _SLOW_MS + _TAIL_SHARE * _TAIL_MS) * 1000
    with (
        tempfile.TemporaryDirectory() as name,
        SlowProvider(Path(name), latency_ms=_SLOW_MS, tail_share=_TAIL_SHARE, tail_ms=_TAIL_MS) as provider,
    ):
        # The first very slow answers come after 5 s; the ideal rate applies only after this time.
        per_s = _rate(provider, workers=2, in_flight=_SLOW_IN_FLIGHT, warm_up_s=_TAIL_MS / 1000 + 2, seconds=_SLOW_S)
    return [
        Figure(
            name="slow provider, share of the ideal",
            value=100 * per_s / ideal,
            unit="%",
            must=95,
            aim=98,
            note=f"{per_s:,.0f}/s of {ideal:,.0f}/s",
        )
    ]


def _rate(provider: SlowProvider, *, workers: int, in_flight: int, warm_up_s: float, seconds: float) -> float:
    """Return the recorded messages per second after the warm-up.

    Args:
        provider: the provider.
        workers: the number of worker processes.
        in_flight: the maximum number of pushes in flight of one worker.
        warm_up_s: seconds before the measurement.
        seconds: seconds of the measurement.
    """
    messages = int(workers * in_flight / _FAST_MS * 1000 * (warm_up_s + seconds) * 1.3)
    with BenchmarkRig(provider.url, sender_names(SENDERS), workers=workers, max_in_flight=in_flight) as rig:
        rig.pause()
        campaigns = rig.run_on_ledger(lambda redis: write_many(redis, rig.senders, messages))
        rig.resume()
        time.sleep(warm_up_s)
        before, began = rig.unsent(campaigns), time.monotonic()
        time.sleep(seconds)
        after, ended = rig.unsent(campaigns), time.monotonic()
        rig.stack.check()
    return (before - after) / (ended - began)
