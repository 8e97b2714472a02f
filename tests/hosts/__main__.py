"""``python -m tests.hosts [--only WORDS]``: runs every scenario, and prints a table for docs/guarantees.md.

The command takes about eight minutes. It needs root on Linux for the namespaces, and libfaketime for the clocks.
"""

import argparse
import sys

from tests.hosts.network import missing
from tests.hosts.scenario import Trouble, run, why_skipped

_HEADING = (
    "one of two hosts with workers",
    "messages",
    "accepted twice",
    "not sent",
    "differences",
    "in doubt",
    "of these accepted",
    "batches taken over",
    "the last after",
    "rate before",
    "rate meanwhile",
    "longest gap",
)


def main(arguments: list[str]) -> int:
    """Run the scenarios; print the table as Markdown. The exit code is 1 if a message was lost or doubled."""
    parser = argparse.ArgumentParser(prog="python -m tests.hosts", description=__doc__)
    parser.add_argument("--only", default="", help="scenarios whose names contain these words")
    parser.add_argument("--messages", type=int, default=1_600, help="messages of each of the six campaigns")
    options = parser.parse_args(arguments)
    if reason := missing():
        print(reason, file=sys.stderr)  # noqa: T201
        return 2
    print("| " + " | ".join(_HEADING) + " |\n|" + "---|" * len(_HEADING), flush=True)  # noqa: T201
    failed = False
    for trouble in Trouble:
        if options.only not in trouble:
            continue
        if reason := why_skipped(trouble):
            print(f"{trouble}: {reason}", file=sys.stderr)  # noqa: T201
            continue
        outcome = run(trouble, messages=options.messages)
        counts = [f"{count:,}" for count in outcome[1:8]]
        rates = [f"{rate:.0f}/s" if rate else "" for rate in (outcome.rate_before, outcome.rate_meanwhile)]
        last, gap = f"{outcome.taken_over_s:.1f} s" if outcome.taken_over else "", f"{outcome.max_gap_s:.1f} s"
        print("| " + " | ".join([trouble, *counts, last, *rates, gap]) + " |", flush=True)  # noqa: T201
        failed |= any((outcome.accepted_twice, outcome.not_sent, outcome.differences, outcome.in_doubt_accepted))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
