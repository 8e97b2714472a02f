"""The console: the cost of a hundred viewers for the dispatch and the ledger, the delay of a report, the first page."""

import asyncio
import random
import re
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack
from itertools import chain, cycle, islice
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks import accepted_campaign, growth, report_poster
from benchmarks.figures import Figure
from benchmarks.nginx import Nginx
from benchmarks.old_campaigns import write_old
from benchmarks.rig import BenchmarkRig, sender_names
from benchmarks.seeding import write_many
from benchmarks.usage import worker_cpu
from benchmarks.viewers import Viewers, log_in
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.states import MessageState
from times_dispatch.provider.correlation_ids import CorrelationIds

VIEWERS = 100
LIMIT_PER_S = 10_000
"""The rate of all senders together, in the measurement with a limited rate."""
SENDERS = 4
ROUNDS = 6
"""The number of rounds; each round measures four slices: without viewers, with, with, without."""
SLICE = 30_000
"""The number of messages of one slice."""
CAMPAIGNS = 10_000
LIVE = 20
"""The number of live campaigns beside the ended campaigns, in the measurement of the first page."""
REPORTS = 400
PAGES = 30
COUNTED_S = 10.0
_SETTLE_S = 1.0
_BETWEEN = 2
"""The number of messages that are written for each measured message, because the dispatch goes on between the
slices.
"""
_READING_S = 0.5
"""Longer, in seconds, than the time for which the console shares one reading of the ledger."""
_ENDPOINT = "http://127.0.0.1:9/"  # nothing is pushed
_ROLES = ("viewer", "operator")
_DELIVERED = re.compile(r'/messages\?state=delivered">([\d,]+)</a>')
_ASSET = re.compile(r'(?:href|src)="(/static/[^"]+)"')


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Measure the cost for the dispatch, and then the pages of a ledger with many campaigns."""
    return [*_cost_to_dispatch(say), *_pages(say)]


class _Side(NamedTuple):
    """The sums over the slices of one side (with or without viewers)."""

    per_s: float
    cpu_us: dict[str, float]
    """The CPU microseconds of each process for each second."""


def _cost_to_dispatch(say: Callable[[str], None]) -> list[Figure]:
    limited, free = sender_names(2 * SENDERS)[:SENDERS], sender_names(2 * SENDERS)[SENDERS:]
    rates = [LIMIT_PER_S / SENDERS] * SENDERS + [0.0] * SENDERS
    figures_of_rates: list[Figure] = []
    with (
        tempfile.TemporaryDirectory(prefix="times-dispatch-bench-") as name,
        Nginx(Path(name)) as nginx,
        BenchmarkRig(nginx.url, [*limited, *free], workers=2, rates=rates, console=True) as rig,
    ):
        rig.pause()
        for senders, title in ((limited, f"{LIMIT_PER_S:,}/s"), (free, "the full rate")):
            say(f"{VIEWERS} viewers at {title}, {4 * ROUNDS} slices of {SLICE:,} messages in turn")
            without, with_viewers = _in_turn(rig, senders)
            figures_of_rates += _cost_figures(title, without, with_viewers)
    return figures_of_rates


def _in_turn(rig: BenchmarkRig, senders: Sequence[SenderId]) -> tuple[_Side, _Side]:
    """Send without a pause, and open and close the streams meanwhile; return the side without and with viewers."""
    messages = 4 * ROUNDS * SLICE * (1 + _BETWEEN)
    campaigns = rig.run_on_ledger(lambda redis: write_many(redis, senders, messages))
    cookies = [log_in(rig.stack, role) for role in _ROLES]
    watched = [f"/live/campaigns/{campaign}" for _, campaign in campaigns]
    # Six of ten viewers look at the page Now, the others at one of the campaigns.
    paths = ["/live/now" if number % 10 < 6 else watched[number % len(watched)] for number in range(VIEWERS)]
    rig.resume(*senders)
    taken: dict[bool, list[tuple[float, int, dict[str, float]]]] = {False: [], True: []}
    for is_watched in islice(cycle((False, True, True, False)), 4 * ROUNDS):
        with ExitStack() as stack:
            viewers = [stack.enter_context(Viewers(rig.stack.console_url, cookies, paths))] if is_watched else []
            time.sleep(_SETTLE_S)
            taken[is_watched].append(_slice(rig, campaigns, *viewers))
    rig.pause(*senders)
    return _side(taken[False]), _side(taken[True])


def _slice(
    rig: BenchmarkRig, campaigns: list[tuple[SenderId, CampaignId]], *viewers: Viewers
) -> tuple[float, int, dict[str, float]]:
    """Return the seconds, the messages, and the CPU seconds of each process, of one slice."""
    meter, began, before = rig.meter(*(each.process for each in viewers)), time.monotonic(), rig.unsent(campaigns)
    if before < SLICE:
        raise AssertionError("the campaigns ended before the measurement: raise the number of messages")
    left = before
    while left > before - SLICE:
        time.sleep(0.05)
        left = rig.unsent(campaigns)
        rig.stack.check()
    return time.monotonic() - began, before - left, meter.cpu_s()


def _side(slices: Sequence[tuple[float, int, dict[str, float]]]) -> _Side:
    seconds = sum(each[0] for each in slices)
    cpu_us = {name: sum(each[2][name] for each in slices) * 1e6 / seconds for name in slices[0][2]}
    return _Side(sum(each[1] for each in slices) / seconds, cpu_us)


def _cost_figures(title: str, without: _Side, with_viewers: _Side) -> list[Figure]:
    before_us = worker_cpu(without.cpu_us) / without.per_s
    after_us = worker_cpu(with_viewers.cpu_us) / with_viewers.per_s
    percent = {name: (without.cpu_us[name] / 1e4, with_viewers.cpu_us[name] / 1e4) for name in ("console", "redis")}
    return [
        Figure(
            name=f"console, dispatch at {title} with {VIEWERS} viewers",
            value=100 * with_viewers.per_s / without.per_s,
            unit="%",
            must=97,
            note=f"{with_viewers.per_s:,.0f}/s, without viewers {without.per_s:,.0f}/s; all processes share the cores, "
            f"also that of the viewers ({with_viewers.cpu_us['viewers'] / 1e4:.1f} % of a core); "
            f"CPU µs/message in the worker {after_us:.1f}, without {before_us:.1f}",
        ),
        *(
            Figure(
                name=f"console, CPU of {name} at {title}",
                value=after,
                unit="% of a core",
                better="less",
                baseline=before,
                note=f"baseline: without viewers {before:.1f} %",
            )
            for name, (before, after) in percent.items()
        ),
    ]


def _pages(say: Callable[[str], None]) -> list[Figure]:
    old, reported, *live = sender_names(4)
    with BenchmarkRig(_ENDPOINT, [old, reported, *live], workers=0, console=True) as rig:
        rig.pause()
        say(f"a ledger with {CAMPAIGNS:,} campaigns, {LIVE} of them live")
        asyncio.run(write_old(rig.stack.redis_url(""), old, CAMPAIGNS - LIVE))
        rig.run_on_ledger(lambda redis: growth.write_unfinished(redis, live, LIVE, 1))
        cookies = [log_in(rig.stack, role) for role in _ROLES]
        say(f"the first page, {PAGES} times")
        pages = [_page(rig, cookies[0], path, name) for path, name in (("/", "Now"), ("/campaigns", "Campaigns"))]
        say(f"commands with 0, 1 and {VIEWERS} viewers, {COUNTED_S:.0f} s each")
        commands = _commands(rig, cookies)
        say(f"{REPORTS} reports, while {VIEWERS} look")
        return [*chain.from_iterable(pages), commands, _report_to_page(rig, reported, cookies)]


def _page(rig: BenchmarkRig, cookie: str, path: str, name: str) -> list[Figure]:
    """Request a page repeatedly, as the first of all viewers."""
    took_s, meter = list[float](), rig.meter()
    with httpx.Client(base_url=rig.stack.console_url, headers={"Cookie": cookie}, timeout=60) as client:
        for _ in range(PAGES):
            time.sleep(_READING_S)
            began = time.perf_counter()
            page = client.get(path).raise_for_status()
            took_s.append(time.perf_counter() - began)
        cpu_ms = {process: 1000 * used_s / PAGES for process, used_s in meter.cpu_s().items()}
        files = [page, *(client.get(asset.replace("&amp;", "&")) for asset in dict.fromkeys(_ASSET.findall(page.text)))]
    wire, whole = sum(file.num_bytes_downloaded for file in files), sum(len(file.content) for file in files)
    return [
        Figure(
            name=f"console, page {name} with {CAMPAIGNS:,} campaigns",
            value=1000 * statistics.median(took_s),
            unit="ms",
            better="less",
            must=100,
            note=f"median of {PAGES}, the slowest {1000 * max(took_s):.0f} ms; CPU of the console "
            f"{cpu_ms['console']:.1f} ms, of Redis {cpu_ms['redis']:.1f} ms a page (beat and others included)",
        ),
        Figure(
            name=f"console, page {name} with all its files",
            value=wire / 1000,
            unit="kB",
            better="less",
            must=150,
            note=f"{len(files)} files on the wire; {whole / 1000:.0f} kB unpacked",
        ),
    ]


def _commands(rig: BenchmarkRig, cookies: Sequence[str]) -> Figure:
    """Count the commands of Redis per second with no viewer, one viewer and many viewers of the page Now."""
    redis, per_s = rig.redis, dict[int, float]()
    for number in (0, 1, VIEWERS):
        with ExitStack() as stack:
            if number:
                stack.enter_context(Viewers(rig.stack.console_url, cookies, ["/live/now"] * number))
            time.sleep(_SETTLE_S)
            before, began = redis.info("stats")["total_commands_processed"], time.monotonic()
            time.sleep(COUNTED_S)
            after = redis.info("stats")["total_commands_processed"]
            per_s[number] = (after - before) / (time.monotonic() - began)
    for_one, for_many = per_s[1] - per_s[0], per_s[VIEWERS] - per_s[0]
    return Figure(
        name=f"console, commands of Redis for {VIEWERS} viewers",
        value=for_many,
        unit="/s",
        better="less",
        must=round(1.1 * for_one, 1),
        baseline=for_one,
        note=f"baseline: one viewer; without the console's viewers {per_s[0]:.0f}/s",
    )


def _report_to_page(rig: BenchmarkRig, sender: SenderId, cookies: Sequence[str]) -> Figure:
    messages = -(-REPORTS // 1000) * 1000
    campaign = rig.run_on_ledger(lambda redis: accepted_campaign.write(redis, sender, messages, payloads=True))
    path = f"/live/campaigns/{campaign}"
    paths = [path if number % 10 == 0 else "/live/now" for number in range(VIEWERS - 1)]
    with Viewers(rig.stack.console_url, cookies, paths):
        late_s = sorted(asyncio.run(_post_and_look(rig, campaign, path, cookies[0])))
    counted = int(rig.redis.hget(campaign_key(sender, campaign), MessageState.DELIVERED.value) or 0)
    if counted != REPORTS:
        raise AssertionError(f"the ledger has {counted} reports of {REPORTS}")
    return Figure(
        name="console, from a report's 200 to the page, 99 %",
        value=late_s[round(0.99 * (len(late_s) - 1))],
        unit="s",
        better="less",
        must=1.0,
        note=f"median {statistics.median(late_s):.2f} s, the latest {late_s[-1]:.2f} s; {REPORTS} reports",
    )


async def _post_and_look(rig: BenchmarkRig, campaign: CampaignId, path: str, cookie: str) -> list[float]:
    """Post one report after the other; return the seconds from each report's 200 to its number on the page."""
    ids, rng = CorrelationIds(rig.stack.environment["DISPATCH_ID_KEY"].encode()), random.Random(1)
    answered, late_s = list[float](), list[float]()
    async with httpx.AsyncClient(timeout=60) as client:

        async def look() -> None:
            headers = {"Cookie": cookie, "Accept-Encoding": "identity"}
            async with client.stream("GET", rig.stack.console_url + path, headers=headers) as stream:
                async for number in delivered_numbers(stream.aiter_text()):
                    now = time.monotonic()
                    # A number may be on the page before the answer to its POST: then the delay is 0.
                    while len(late_s) < min(number, len(answered)):
                        late_s.append(max(0.0, now - answered[len(late_s)]))
                    if len(late_s) == REPORTS:
                        return

        looking = asyncio.create_task(look())
        for index in range(REPORTS):
            body = report_poster.delivered(ids.make(campaign, index), int(time.time()))
            answer = await client.post(rig.stack.postback_url, content=body)
            answer.raise_for_status()
            answered.append(time.monotonic())
            await asyncio.sleep(rng.uniform(0.02, 0.15))
        async with asyncio.timeout(120):
            await looking
    return late_s


async def delivered_numbers(texts: AsyncIterator[str]) -> AsyncIterator[int]:
    """Yield the number of delivered messages of each event that has the states of the campaign."""
    held = ""
    async for text in texts:
        held += text
        *events, held = held.split("\n\n")
        for event in events:
            if event.startswith("event: states\n") and (match := _DELIVERED.search(event)):
                yield int(match[1].replace(",", ""))
