"""Keeps every core busy with other work during a run, as on a machine with other busy processes.

``python -m tests.chaos.busy_load SHARE SECONDS`` is one such process: it computes for a share of the time,
sleeps for the rest of the time, and ends after SECONDS.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from times_dispatch.demo.processes import Process, clean_environment

BUSY_SHARE = 0.4
_CYCLE_S = 0.1


@contextmanager
def busy_machine(share: float, *, max_s: float) -> Iterator[None]:
    """Keep every core busy for a share of the time inside the context; a share of 0 does nothing.

    Args:
        share: The share of the time, from 0 to 1.
        max_s: Seconds after which the processes end by themselves, in case this process hangs.
    """
    with TemporaryDirectory(prefix="times-dispatch-load-") as folder:
        command = [sys.executable, "-m", "tests.chaos.busy_load", f"{share:g}", f"{max_s:g}"]
        root = str(Path(__file__).parents[2])
        environment = {**clean_environment(), "PYTHONPATH": root}
        loads = [
            Process(f"load-{number}", command, environment=environment, folder=Path(folder))
            for number in range(os.cpu_count() or 1)
            if share
        ]
        try:
            for load in loads:
                load.start()
            yield
        finally:
            for load in loads:
                load.kill()


def main(share: float, seconds: float) -> None:
    """Compute for a share of each tenth of a second, and sleep for the rest."""
    ends = time.monotonic() + seconds
    while (begins := time.monotonic()) < ends:
        while time.monotonic() < begins + share * _CYCLE_S:
            pass
        time.sleep((1 - share) * _CYCLE_S)


if __name__ == "__main__":
    main(float(sys.argv[1]), float(sys.argv[2]))
