"""``python -m tests.upgrade [--only WORDS] [--messages N]``: runs every walk; prints a table for docs/guarantees.md.

The command takes about ten minutes.
"""

import argparse
import sys

from tests.upgrade.old_tree import missing, old_tree
from tests.upgrade.scenario import Walk, run

_HEADING = (
    "walk",
    "messages",
    "accepted twice",
    "not sent",
    "in doubt",
    "differences",
    "of a recount",
    "clicks lost or doubled",
    "workers cut short",
    "refused by Redis",
    "longest gap before",
    "longest gap",
    "during",
)


def main(arguments: list[str]) -> int:
    """Run the walks; print the table as Markdown. The exit code is 1 if a message was lost, doubled or in doubt."""
    parser = argparse.ArgumentParser(prog="python -m tests.upgrade", description=__doc__)
    parser.add_argument("--only", default="", help="walks whose names contain these words")
    parser.add_argument("--messages", type=int, default=6_000, help="messages of each campaign (default: 6000)")
    options = parser.parse_args(arguments)
    if reason := missing():
        print(reason, file=sys.stderr)  # noqa: T201
        return 2
    print("| " + " | ".join(_HEADING) + " |\n|" + "---|" * len(_HEADING), flush=True)  # noqa: T201
    failed = False
    with old_tree() as old:
        for walk in Walk:
            if options.only not in walk:
                continue
            outcome = run(walk, old, messages=options.messages)
            counts = [f"{count:,}" for count in outcome[1:-2]]
            gaps = [f"{outcome.before_s:.1f} s", f"{outcome.gap.seconds:.1f} s", outcome.gap.during]
            print("| " + " | ".join([walk, *counts, *gaps]) + " |", flush=True)  # noqa: T201
            failed |= any(outcome[2:-2])
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
