"""Second tries from the campaign file to the delivery, while workers and reconcilers are killed."""

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kit.command_line import campaign_file, compare, show, submit, watch
from times_dispatch.demo import recipients
from times_dispatch.demo.comparison import fetch_books
from times_dispatch.demo.processes import run
from times_dispatch.demo.stack import Stack
from times_dispatch.ledger.states import MessageState
from times_dispatch.provider.correlation_ids import CorrelationIds
from times_dispatch.sandbox.bookkeeping.books import Accepted

pytestmark = pytest.mark.processes

ROWS = 600
RULE = '[retry_failed]\ncodes = ["912", "914"]\nafter = ["1s", "2s"]\nat_most = 2\n'
CODES = {"912", "914"}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    reports = {
        "delay_min_ms": 10,
        "delay_max_ms": 500,
        "failed_first": 0.5,
        "failed_first_codes": {"912": 3, "914": 1},
        "failed": 0.3,
        "failed_codes": {"912": 2, "901": 1},
        "clicked": 0.0,
        "replied": 0.0,
        "duplicated": 0.1,
    }
    with Stack(workers=2, reconcilers=2, sandbox={"seed": 3, "reports": reports}) as stack:
        yield stack


def test_failed_messages_are_sent_again_as_the_rule_says_and_the_books_agree(stack: Stack) -> None:
    rows = stack.folder / "customers.csv"
    recipients.write(rows, ROWS, wrong=False)
    campaign = submit(stack, campaign_file(stack, "second-tries", extra=RULE), rows)
    watch(stack, campaign, timeout_s=60)
    for name in ("worker-1", "reconciler-1"):
        stack.processes[name].kill()
        stack.processes[name].start()
    until = time.monotonic() + 180
    while _is_open(shown := show(stack, campaign)) and time.monotonic() < until:
        time.sleep(0.5)
    # A push that never left the killed worker is in doubt, gets no report, and keeps the campaign open.
    in_doubt = shown["states"]["in_doubt"]
    assert shown["state"] == ("running" if in_doubt else "finished"), shown

    view, comparison = compare(stack, campaign)
    assert (comparison.examples, comparison.accepted_twice, comparison.undecided) == ([], 0, in_doubt)
    tries = _tries(stack, asyncio.run(fetch_books(stack.sandbox_url)))
    assert ROWS - in_doubt <= len(tries) <= ROWS
    assert all(entry.times == 1 for entries in tries.values() for entry in entries)
    waiting = 0
    for entries in tries.values():
        *earlier, last = entries
        assert all(entry.event == "failed" and entry.code in CODES for entry in earlier)
        waiting += last.event != "delivered" and last.code in CODES and len(entries) < 3
    assert waiting <= in_doubt
    delivered = Counter(len(entries) for entries in tries.values() if entries[-1].event == "delivered")
    statistics = shown["statistics"]
    assert shown["retries_waiting"] == 0
    assert statistics["delivered"] == view.counts[MessageState.DELIVERED] == delivered.total()
    assert statistics["recovered"] == {str(n): delivered[n + 1] for n in (1, 2)}
    assert statistics["retried"] == {str(n): sum(len(entries) > n for entries in tries.values()) for n in (1, 2)}
    assert statistics["parts"] == sum(entry.parts for entries in tries.values() for entry in entries) == view.parts
    recounted = run(["dispatch", "stats", "--recount", "--json"], stack.environment)
    assert json.loads(recounted.stdout)["differences"] == []
    stack.check()


def _is_open(shown: dict[str, Any]) -> bool:
    """Return whether messages of a campaign are unsent, wait for their reports, or wait for second tries."""
    states = shown["states"]
    return bool(states["pending"] + states["sending"] + states["accepted"] + shown["retries_waiting"])


def _tries(stack: Stack, books: dict[str, Accepted]) -> dict[int, list[Accepted]]:
    """Return the accepted attempts of each message, in order."""
    ids = CorrelationIds(stack.environment["DISPATCH_ID_KEY"].encode())
    tries = defaultdict[int, list[Accepted]](list)
    for entry in sorted(books.values(), key=lambda entry: entry.n):
        parsed = ids.parse(entry.id)
        assert parsed
        assert parsed.attempt == len(tries[parsed.index])
        tries[parsed.index].append(entry)
    return tries
