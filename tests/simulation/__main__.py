"""``python -m tests.simulation``: one process and one line for each of many seeds; exits with 1 on a violation."""

import argparse
import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed

from tests.simulation.launch import RunFailed, Task, launch, task_of, work
from tests.simulation.mutations import MUTATIONS
from tests.simulation.run import MAX_CPU_S, SimulationVerdict


def main() -> int:
    """Run the simulation with the options of the command line; return 0 if every invariant held."""
    if len(sys.argv) == 2 and sys.argv[1] == "work":
        work()
    options = _options()
    if options.safeguards:
        return _try_safeguards(options.processes)
    tasks = [
        Task(seed, options.storm * 60, options.hours * 3_600, mutation=options.mutation, max_cpu_s=options.max_cpu * 60)
        for seed in range(options.seed, options.seed + options.runs)
    ]
    broken, storm_s, quiet_s, faults = 0, 0.0, 0.0, Counter[str]()
    with ThreadPoolExecutor(options.processes) as pool:
        for done in as_completed([pool.submit(launch, task) for task in tasks]):
            try:
                verdict = done.result()
            except RunFailed as failed:
                print(failed, flush=True)  # noqa: T201
                broken += 1
                continue
            print(line(verdict), flush=True)  # noqa: T201
            broken += bool(verdict.violation)
            storm_s += verdict.at_s - verdict.quiet_s
            quiet_s += verdict.quiet_s
            faults.update(verdict.faults)
    print(  # noqa: T201
        f"{(storm_s + quiet_s) / 3600:,.0f} simulated hours, {storm_s / 3600:,.1f} of them with faults and campaigns; "
        f"{sum(faults.values()):,} faults; {broken} of {options.runs} runs broke an invariant or gave no verdict"
    )
    return 1 if broken else 0


def _try_safeguards(processes: int) -> int:
    """Take out each safeguard with a known run: the run must fail without the safeguard, and hold with it."""
    names = [name for name, mutation in MUTATIONS.items() if mutation.seed]
    missed = 0
    with ThreadPoolExecutor(processes) as pool:
        runs = {name: [pool.submit(launch, task_of(name, is_taken_out=out)) for out in (True, False)] for name in names}
        for name, (without, sound) in runs.items():
            try:
                found, held = without.result().violation, sound.result().violation
            except RunFailed as failed:
                found, held = "", str(failed)
            is_missed = bool(held) or found.partition(":")[0] not in MUTATIONS[name].kinds
            missed += is_missed
            print(f"{'MISSED ' if is_missed else ''}{name}: {found or 'nothing found'}", flush=True)  # noqa: T201
            if held:
                print(f"  also with the safeguard: {held}", flush=True)  # noqa: T201
    print(f"{len(names) - missed} of {len(names)} safeguards are needed for a run to hold")  # noqa: T201
    return 1 if missed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed; each run has the next one")
    parser.add_argument("--runs", type=int, default=12, help="how many runs")
    parser.add_argument("--hours", type=float, default=8.0, help="virtual hours of each run after its faults, at least")
    parser.add_argument("--storm", type=float, default=10.0, help="virtual minutes of faults in each run")
    parser.add_argument("--mutation", choices=sorted(MUTATIONS), default="", help="take a safeguard out of the product")
    parser.add_argument(
        "--safeguards", action="store_true", help="take out each safeguard in turn, instead of --runs: a run must fail"
    )
    parser.add_argument(
        "--max-cpu", type=float, default=MAX_CPU_S / 60, help="minutes of CPU time of each run, at most"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many run side by side")
    return parser.parse_args()


def line(verdict: SimulationVerdict) -> str:
    """Return the line that describes one run."""
    ended = f"at {verdict.at_s:,.1f} s {verdict.violation}" if verdict.violation else "every invariant held"
    return (
        f"seed {verdict.seed}: {ended}; {verdict.at_s / 3600:.1f} h in {verdict.took_s:.0f} s, "
        f"of which it used the CPU for {verdict.cpu_s:.0f} s; {verdict.pushes:,} pushes, "
        f"{sum(verdict.faults.values())} faults, digest {verdict.digest}"
    )


if __name__ == "__main__":
    sys.exit(main())
