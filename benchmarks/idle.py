"""Idle: the CPU time of every process without work."""

import time
from collections.abc import Callable

from benchmarks.figures import Figure
from benchmarks.rig import BenchmarkRig, sender_names

SENDERS = 4
SECONDS = 20
_SETTLE_S = 3


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Measure workers, receiver, reconciler and beat for some seconds."""
    say(f"{SECONDS} s without work")
    with BenchmarkRig("http://127.0.0.1:9/", sender_names(SENDERS), workers=2) as rig:
        time.sleep(_SETTLE_S)
        meter = rig.meter()
        time.sleep(SECONDS)
        used = {name: 100 * seconds / SECONDS for name, seconds in meter.cpu_s().items()}
    workers = [share for name, share in used.items() if name.startswith("worker")]
    shares = {"worker": sum(workers) / len(workers)}
    shares |= {name: used[name] for name in ("receiver", "reconciler-1", "beat")}
    note = f"Redis: {used['redis']:.1f} %"
    return [
        Figure(
            name=f"idle {name.removesuffix('-1')}",
            value=share,
            unit="%",
            better="less",
            must=1.0,
            note=note if name == "worker" else "",
        )
        for name, share in shares.items()
    ]
