"""Runs a process and measures its stalls: ``python -m tests.kit.watched MODULE FILE [OPTIONS OF FLOWER]``.

A stall is the CPU time that the process uses, in all threads, between two turns of a task of its event loop. Unlike the
time of a clock, it does not grow when other processes keep the cores busy.
"""

import asyncio
import importlib
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from pathlib import Path
from typing import Any

import uvloop

from tests.kit.process_memory import peak_mb
from times_dispatch.settings.load import Need
from times_dispatch.settings.startup import load_settings_or_exit

_NEEDS = {
    "callbacks.receiver": (Need.LEDGER, Need.CALLBACKS),
    "callbacks.reconciler": (Need.LEDGER, Need.IDS),
    "console.__main__": (Need.LEDGER, Need.CONSOLE),
}


class Watched:
    """The measurements of a process that ``tests.kit.watched`` runs."""

    def __init__(self, process: "subprocess.Popen[bytes]", figures: Path) -> None:
        self.process = process
        self._figures = figures

    def forget(self) -> None:
        """Forget all stalls so far, such as the stalls of the start."""
        self._figures.unlink(missing_ok=True)

    @property
    def stall_ms(self) -> float:
        """The longest stall since ``forget``, in milliseconds."""
        return float(self._figures.read_text() or 0) if self._figures.exists() else 0.0

    @property
    def peak_mb(self) -> float:
        """The peak memory of the process, in MiB."""
        return peak_mb(self.process.pid)

    def check(self, what: str, *, max_stall_ms: float = 50, max_mb: float = 300, stall_ms: float | None = None) -> None:
        """Print the measurements, and fail if a measurement exceeds its bound.

        Args:
            what: what happened to the process.
            max_stall_ms: the bound of the stall, in milliseconds.
            max_mb: the bound of the peak memory, in MiB.
            stall_ms: the stall of a repeated attack; by default the longest stall since ``forget``.
        """
        if stall_ms is None:
            stall_ms = self.stall_ms
        assert self.process.poll() is None, "the process ended"
        print(f"{what}: {self.peak_mb:.0f} MB at most, {stall_ms:.0f} ms of stall at most")  # noqa: T201
        assert self.peak_mb < max_mb
        assert stall_ms < max_stall_ms


async def least_stall_ms(attack: Callable[[], float | Awaitable[float]], *, max_ms: float, tries: int = 3) -> float:
    """Repeat an attack, which returns its longest stall, until the stall is below a bound; return the shortest stall.

    A stall that an attack causes is in each try. The first request of a new installation is longer, because it compiles
    modules, and the time in which the host of a virtual machine takes the core away counts as CPU time.
    """
    stalls_ms = list[float]()
    while len(stalls_ms) < tries and (not stalls_ms or stalls_ms[-1] >= max_ms):
        stall_ms = attack()
        stalls_ms.append(await stall_ms if isawaitable(stall_ms) else stall_ms)
    return min(stalls_ms)


async def _watch(figures: Path) -> None:
    max_s = 0.0
    while True:
        before_s = time.process_time()
        await asyncio.sleep(0.001)
        stall_s = time.process_time() - before_s
        if not figures.exists():  # noqa: ASYNC240  # a short read of a file of the test
            max_s = 0.0
        if stall_s > max_s:
            max_s = stall_s
            figures.write_text(f"{max_s * 1000:.1f}")  # noqa: ASYNC240


def _run_flower(figures: Path, options: list[str]) -> int:
    """Run Flower, whose event loop is Tornado's."""
    main = importlib.import_module("times_dispatch.broker.flower").main
    flower_class = importlib.import_module("flower.app").Flower
    start = flower_class.start

    def start_watched(app: Any) -> None:
        watching = app.io_loop.asyncio_loop.create_task(_watch(figures))
        start(app)
        watching.cancel()

    flower_class.start = start_watched
    return int(main(options))


async def _run(module: str, figures: Path) -> None:
    settings = load_settings_or_exit(*_NEEDS[module])
    watching = asyncio.create_task(_watch(figures))
    try:
        await importlib.import_module(module).serve(settings)
    finally:
        watching.cancel()


if __name__ == "__main__":
    if sys.argv[1] == "times_dispatch.broker.flower":
        sys.exit(_run_flower(Path(sys.argv[2]), sys.argv[3:]))
    uvloop.run(_run(sys.argv[1], Path(sys.argv[2])))
