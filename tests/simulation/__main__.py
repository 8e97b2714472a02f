"""``python -m tests.simulation``: many seeds, several processes, one line each; ends with 1 if an invariant broke."""

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial

from tests.simulation.run import Verdict, run


def main() -> int:
    """Run the simulation."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed; each run has the next one")
    parser.add_argument("--runs", type=int, default=20, help="how many runs")
    parser.add_argument("--hours", type=float, default=4.0, help="virtual hours of faults in each run")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many run side by side")
    options = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of a set of texts would differ from run to run
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.simulation", *sys.argv[1:]],
            {**os.environ, "PYTHONHASHSEED": "0"},
        )
    broken, hours = 0, 0.0
    with ProcessPoolExecutor(options.processes) as pool:
        seeds = range(options.seed, options.seed + options.runs)
        runs = [pool.submit(partial(run, seed, hours=options.hours)) for seed in seeds]
        for done in as_completed(runs):
            verdict = done.result()
            print(line(verdict), flush=True)  # noqa: T201
            broken += bool(verdict.violation)
            hours += verdict.simulated_s / 3600
    print(f"{hours:,.0f} simulated hours; {broken} of {options.runs} runs broke an invariant")  # noqa: T201
    return 1 if broken else 0


def line(verdict: Verdict) -> str:
    """Return what a person reads of one run."""
    ended = verdict.violation or "every invariant held"
    return (
        f"seed {verdict.seed}: {ended}; {verdict.simulated_s / 3600:.1f} h in {verdict.took_s:.0f} s, "
        f"{verdict.pushes:,} pushes, {sum(verdict.faults.values())} faults, digest {verdict.digest}"
    )


if __name__ == "__main__":
    sys.exit(main())
