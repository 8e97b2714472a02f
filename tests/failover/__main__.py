"""``python -m tests.failover [--only WORDS] [--messages N]``: runs each failover with each setting.

The command prints the table of docs/guarantees.md, and takes about six minutes.
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
    parser.add_argument("--only", default="", help="rows whose setting contains these words")
    options = parser.parse_args(arguments)
    print("| " + " | ".join(_HEADING) + " |\n|" + "---|" * len(_HEADING), flush=True)  # noqa: T201
    for setting in (setting for setting in Setting if options.only in setting):
        for event in Event:
            loss = run(setting, event, messages=options.messages)
            counts = (loss.accepted_twice, loss.not_sent, loss.differences, loss.in_doubt, loss.in_doubt_accepted)
            cells = [setting, event, *(f"{count:,}" for count in counts), *(f"{s:.1f} s" for s in loss[-2:])]
            print("| " + " | ".join(cells) + " |", flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
