"""``python -m tests.failover [--messages N]``: runs each failover with each setting; prints docs/guarantees.md's table.

The command takes about six minutes.
"""

import argparse
import sys

from tests.failover.scenario import Event, Setting, run

_HEADING = (
    "setting",
    "event",
    "accepted twice",
    "not sent",
    "differences",
    "in doubt",
    "of these accepted",
    "another primary after",
    "longest gap",
)


def main(arguments: list[str]) -> int:
    """Run all; print the table as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m tests.failover", description=__doc__)
    parser.add_argument("--messages", type=int, default=6_000, help="messages of each campaign (default: 6000)")
    messages = parser.parse_args(arguments).messages
    print("| " + " | ".join(_HEADING) + " |\n|" + "---|" * len(_HEADING), flush=True)  # noqa: T201
    for setting in Setting:
        for event in Event:
            loss = run(setting, event, messages=messages)
            counts = (loss.accepted_twice, loss.not_sent, loss.differences, loss.in_doubt, loss.in_doubt_accepted)
            cells = [setting, event, *(f"{count:,}" for count in counts), *(f"{s:.1f} s" for s in loss[-2:])]
            print("| " + " | ".join(cells) + " |", flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
