"""The demo: sends twenty thousand messages, waits for reports, and compares the ledger with the sandbox's books."""

import argparse
import asyncio
import json
import signal
import sys
import time
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import tomlkit
from rich.console import Console

from times_dispatch.console_users import ConsoleRole
from times_dispatch.demo import recipients
from times_dispatch.demo.comparison import Comparison, compare, fetch_books
from times_dispatch.demo.local_settings import DEMO_SETTINGS, LocalSettings, read_local_settings
from times_dispatch.demo.processes import ProcessFailed, run, start
from times_dispatch.demo.redis_server import EmbeddedServerFailed
from times_dispatch.demo.settling import OnTheirWay, on_their_way, wait_until_settled
from times_dispatch.demo.stack import SETTINGS, Stack
from times_dispatch.demo.statistics_comparison import comparison_table, differing, read_numbers, recount
from times_dispatch.demo.tables import ledger_and_books_table
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.reports.report_backlog import read_backlog
from times_dispatch.ledger.states import MessageState
from times_dispatch.plurals import counted
from times_dispatch.provider.correlation_ids import CorrelationIds
from times_dispatch.settings.errors import SettingsInvalid

RECIPIENTS = 20_000
ANSWER_WITHIN_S = 60.0
"""How long an answer of the sandbox or of Flower may take, in seconds, on a machine that is very busy."""
PRICE_PER_PART = Decimal("0.125")
SANDBOX = {
    "seed": 2026,
    "latency_min_ms": 5,
    "latency_max_ms": 40,
    "reports": {
        "delay_min_ms": 200,
        "delay_max_ms": 4_000,
        "failed": 0.05,
        "early": 0.02,
        "duplicated": 0.02,
        "clicked": 0.0,
    },
    "clicks": {"share": 0.2, "max_clicks": 3},
}

out = Console(highlight=False, soft_wrap=True, emoji=False)


def main(arguments: list[str]) -> int:
    """Run the demo; with the argument ``up``, start all processes and wait for Ctrl-C.

    ``up --keep FOLDER`` keeps the data of Redis in a folder, and ``up --settings FILE`` uses other settings.

    The demo returns 0 only if the counters add up to the total and the ledger equals the sandbox's books.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):  # a terminal that is closed sends SIGHUP
        signal.signal(number, signal.default_int_handler)
    if not arguments:
        return _demo()
    parser = argparse.ArgumentParser(prog="python -m times_dispatch.demo")
    parser.add_argument("command", choices=["up"], help="start all processes, and stay until Ctrl-C")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the data of Redis in this folder")
    parser.add_argument("--settings", type=Path, metavar="FILE", help="your own dispatch.toml")
    options = parser.parse_args(arguments)
    try:
        settings = read_local_settings(options.settings or DEMO_SETTINGS)
    except SettingsInvalid as invalid:
        out.print(*invalid.mistakes, sep="\n", markup=False)
        return 2
    return _up(settings, options.keep)


def _demo() -> int:
    began = time.monotonic()
    stack = Stack(workers=2, flower=True, links=True, console=True, sandbox=SANDBOX, settings=_settings_with_price())
    succeeded = False
    try:
        _start(stack)
        succeeded = _campaign(stack)
        stack.check()
    except (ProcessFailed, EmbeddedServerFailed) as failed:
        out.print(str(failed), style="red", markup=False)
        succeeded = False
    except httpx.HTTPError as error:
        out.print(f"the sandbox or Flower did not answer ({type(error).__name__})", style="red", markup=False)
        succeeded = False
    except KeyboardInterrupt:
        with suppress(OSError):  # the terminal was closed
            out.print("\nInterrupted; stopping everything")
    finally:
        stack.stop()
    result = "[green]the counters add up, the ledger equals the books[/]" if succeeded else "[red]failed[/]"
    out.print(f"{result}; {time.monotonic() - began:.0f} s in all")
    if succeeded:
        out.print("Next: make up, and a campaign of your own through the sandbox (README.md)")
    return 0 if succeeded else 1


def _settings_with_price() -> str:
    """Return the demo's settings with a price of an SMS part, so that the comparison includes the cost."""
    settings = tomlkit.parse(SETTINGS.read_text("utf-8"))
    for table in settings.unwrap()["senders"]:
        settings["senders"][table]["price_per_part"] = f"Rs {PRICE_PER_PART}"
    return tomlkit.dumps(settings)


def _up(settings: LocalSettings, kept: Path | None) -> int:
    """Start all processes and wait for Ctrl-C, or until a process ends by itself."""
    stack = Stack(
        workers=2,
        flower=True,
        links=True,
        console=True,
        metrics=True,
        sandbox=SANDBOX,
        settings=settings.text,
        registry=settings.registry,
        provider_paths=settings.provider_paths,
        redis_folder=kept,
    )
    if settings.left_out:
        out.print(f"left out, because a trial reaches nothing outside: {', '.join(settings.left_out)}", markup=False)
    try:
        _start(stack)
        out.print(f"Metrics: {stack.metrics_url}", markup=False)
        out.print(f"in another terminal:  . {stack.write_environment()}")
        out.print("then:                 dispatch submit campaign.toml --recipients customers.csv")
        out.print(f"Ctrl-C stops everything and {f'keeps the data in {kept}' if kept else 'deletes its data'}")
        while True:
            time.sleep(1)
            stack.check()
    except (ProcessFailed, EmbeddedServerFailed) as failed:
        out.print(str(failed), style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        with suppress(OSError):  # the terminal was closed
            out.print("\nstopping everything")
        return 0
    finally:
        stack.stop()


def _start(stack: Stack) -> None:
    names = "Redis, sandbox, two workers, beat, receiver, reconciler, links process, console and Flower"
    out.print(f"[bold]Starting[/] {names}", end=" ")
    stack.start(progress=lambda name: out.print(f"[dim]{name}[/]", end=" "))
    owner = ConsoleRole.OWNER.value
    password = stack.console_users[owner]
    out.print(f"\nConsole: {stack.console_url} (user {owner}, password {password})", markup=False)
    user, password = stack.flower_auth
    out.print(f"Flower: {stack.flower_url}/tasks?name=campaign (user {user}, password {password}); reload the page")


def _campaign(stack: Stack) -> bool:
    file = stack.folder / "customers.csv"
    recipients.write(file, RECIPIENTS)
    out.print(f"\n[bold]Submitting[/] {RECIPIENTS:,} rows, some of them wrong on purpose")
    campaign = _submit(stack, file)
    if not campaign:
        return False
    out.print(f"\n[bold]Sending[/] campaign {campaign}")
    watching = start(["dispatch", "watch", campaign], stack.environment)
    lines = set()
    while watching.poll() is None:
        lines |= {row["result"] for row in _flower_rows(stack) if row["result"]}
        time.sleep(0.5)
    rows = _flower_rows(stack)
    out.print(f"Flower: {len(rows)} row for the campaign, {len(lines)} different texts seen, now: {rows[0]['result']}")
    out.print("\n[bold]Waiting[/] for the reports and clicks")
    row_changed = len(rows) == 1 and len(lines) > 1
    return asyncio.run(_compare(stack, campaign)) and watching.returncode == 0 and row_changed


def _submit(stack: Stack, file: Path) -> CampaignId | None:
    command = ["dispatch", "submit", str(Path(__file__).parent / "campaign.toml"), "--recipients", str(file), "--yes"]
    if run(command, stack.environment, capture=False).returncode:
        return None
    listed = run(["dispatch", "list", "--json"], stack.environment)
    return CampaignId(str(json.loads(listed.stdout)[0]["id"]))


def _flower_rows(stack: Stack) -> list[dict[str, Any]]:
    response = httpx.get(
        f"{stack.flower_url}/api/tasks",
        params={"taskname": "campaign"},
        auth=stack.flower_auth,
        timeout=ANSWER_WITHIN_S,
        trust_env=False,
    )
    return list(response.json().values())


async def _compare(stack: Stack, campaign: CampaignId) -> bool:
    redis = connect(stack.redis.url)
    queries = Queries(redis)
    try:

        async def look() -> OnTheirWay:
            stack.check()
            return on_their_way(stack.books(), await read_backlog(redis), await queries.campaign(campaign))

        if not (coming := await wait_until_settled(look)).is_empty:
            out.print(f"not compared, because they still arrive: {coming}", style="red", markup=False)
            return False
        view, books = await queries.campaign(campaign), stack.books()
        ids = CorrelationIds(stack.environment["DISPATCH_ID_KEY"].encode())
        comparison = await compare(queries, view, ids=ids, books=await fetch_books(stack.sandbox_url))
    finally:
        await redis.aclose()
    out.print()
    out.print(ledger_and_books_table(view, books))
    for difference in comparison.examples:
        out.print(difference, style="red", markup=False)
    equal = comparison.differences == 0 and books["all"]["accepted"] == comparison.messages - _never_accepted(view)
    out.print(
        f"{view.total:,} messages = {sum(view.counts.values()):,} over all states; "
        f"compared with the books message by message: {counted(comparison.differences, 'difference')}; "
        f"accepted twice: {comparison.accepted_twice}"
    )
    equal = _compare_statistics(stack, campaign, comparison) and equal
    return view.counters_add_up and equal and comparison.accepted_twice == 0 and comparison.undecided == 0


def _compare_statistics(stack: Stack, campaign: CampaignId, comparison: Comparison) -> bool:
    """Print the campaign's numbers from each command and from the books; return whether all numbers are equal."""
    sources = read_numbers(stack, campaign, comparison.totals, PRICE_PER_PART)
    messages, differences = recount(stack)
    out.print(comparison_table(sources))
    wrong = differing(sources)
    result = f"different: {', '.join(wrong)}" if wrong else "all numbers are equal"
    out.print(f"{result}; recount of {counted(messages, 'message')}: {counted(differences, 'difference')}")
    return not wrong and not differences


def _never_accepted(view: CampaignView) -> int:
    return view.counts[MessageState.REJECTED] + view.counts[MessageState.SUPPRESSED]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
