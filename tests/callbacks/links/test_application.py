import asyncio
import random
import time
from typing import Any

import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from callbacks.classifier import ReportClassifier
from callbacks.links import pages
from callbacks.reconciler import Reconciler
from callbacks.report_room import ReportRoom
from callbacks.streams import fields_of, pack
from tests.kit.callbacks import ID_KEY, SENDER, stored
from tests.kit.clock import FakeClock
from tests.kit.links import VALID_UNTIL_MS, LinkedCampaign, application, serving_links, submit_with_links
from tests.kit.waiting import eventually
from times_dispatch.ledger.id_key import IdKeyGuard
from times_dispatch.ledger.numbers.opt_outs import Listed, OptOuts
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.reports.report_applier import ReportApplier
from times_dispatch.ledger.statistics.figures import statistics_of
from times_dispatch.ledger.statistics.rollups import StatisticsReader
from times_dispatch.links.codes import ALPHABET
from times_dispatch.provider.correlation_ids import CorrelationIds

IDS = CorrelationIds(ID_KEY.encode())
PROGRAMS = [
    ({"user-agent": "WhatsApp/2.24.1 A"}, "link_previewed"),
    ({"user-agent": "python-requests/2.32"}, "link_scanned"),
    ({"sec-purpose": "prefetch;prerender"}, "link_previewed"),
]


async def rows(redis: Redis) -> list[tuple[str, dict[str, Any]]]:
    """Return the event and the row of everything that is stored."""
    bodies = [msgspec.json.decode(body) for body in await stored(redis)]
    return [(event["event"], row) for body in bodies for event in body for row in event["data"]]


async def reconcile(redis: Redis) -> None:
    """Apply all stored reports."""
    classifier = ReportClassifier(IDS, relaying=False, stop_words=["STOP"])
    reconciler = Reconciler(redis, ReportApplier(redis), classifier, IdKeyGuard(redis, ID_KEY.encode()))
    stop = asyncio.Event()
    run = asyncio.create_task(reconciler.run(stop))
    try:
        await eventually(lambda: _is_empty(redis))
    finally:
        stop.set()
        await run


async def _is_empty(redis: Redis) -> bool:
    return await redis.xlen("reports") == 0


async def test_a_click_leads_to_the_target_with_the_values_of_the_row(
    client: httpx.AsyncClient, campaign: LinkedCampaign
) -> None:
    answers = [await client.get(campaign.path(index)) for index in range(3)]

    assert [answer.status_code for answer in answers] == [302, 302, 302]
    assert [answer.headers["location"] for answer in answers] == [
        "https://shop.example/sale?u=C%201%26x%3D2",
        "https://shop.example/sale?u=%E0%A4%B8%E0%A5%802",
        "https://shop.example/sale?u=C3",
    ]
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}


async def test_a_click_is_stored_before_its_answer_as_a_report_of_its_message(
    client: httpx.AsyncClient, campaign: LinkedCampaign, redis: Redis
) -> None:
    before = int(time.time())
    await client.get(campaign.path(2, 1))

    [(event, row)] = await rows(redis)
    assert event == "clicked"
    assert (row["url"], row["link"]) == ("https://shop.example/help", 2)
    assert row["shorturl"] == f"go.brand.in{campaign.path(2, 1)}"
    assert before <= row["ts"] <= time.time()
    ref = IDS.parse(row["meta"])
    assert ref
    assert (ref.campaign, ref.index) == (campaign.id, 2)


async def test_clicks_are_counted_in_the_campaign(
    client: httpx.AsyncClient, campaign: LinkedCampaign, redis: Redis
) -> None:
    for index in range(3):
        await client.get(campaign.path(index))
    for headers, _ in PROGRAMS:
        await client.get(campaign.path(0), headers=headers)
    await client.head(campaign.path(0))

    bodies = await stored(redis)
    await reconcile(redis)

    stats = (await Queries(redis).campaign(campaign.id)).stats
    assert stats["clicked"] == 3
    assert [report.link for report in ReportClassifier(IDS, relaying=False).classify(bodies).reports[:3]] == [1, 1, 1]
    assert (stats["link_previewed"], stats["link_scanned"], stats["link_probed"]) == (2, 1, 1)


async def test_each_redirect_counts_once_also_within_one_second(
    client: httpx.AsyncClient, campaign: LinkedCampaign, redis: Redis
) -> None:
    answers = [await client.get(campaign.path(number % 2)) for number in range(30)]
    await reconcile(redis)

    view = await Queries(redis).campaign(campaign.id)
    assert [answer.status_code for answer in answers] == [302] * 30
    assert len({answer.headers["x-request-id"] for answer in answers}) == 30
    assert view.stats["clicked"] == 30
    statistics = statistics_of(await StatisticsReader(redis).campaign(SENDER, campaign.id))
    assert (statistics.clicked, statistics.clickers, statistics.links) == (30, 2, {1: 30})


async def test_a_stream_entry_that_comes_twice_counts_its_visits_once(
    client: httpx.AsyncClient, campaign: LinkedCampaign, redis: Redis
) -> None:
    for number in range(5):
        await client.get(campaign.path(number % 2))
    entries: Any = await redis.xrange("reports")
    await reconcile(redis)
    for _, fields in entries:
        await redis.xadd("reports", fields)
    await reconcile(redis)

    assert (await Queries(redis).campaign(campaign.id)).stats["clicked"] == 5


async def test_ids_of_visits_count_only_if_the_links_process_stored_them(
    campaign: LinkedCampaign, redis: Redis
) -> None:
    meta = IDS.make(campaign.id, 0)
    visits = [{"ts": 1_795_300_000, "meta": meta, "url": "https://a.example/", "id": f"{0:016x}-{n}"} for n in range(9)]
    body = msgspec.json.encode([{"event": "clicked", "data": visits}])
    await redis.xadd("reports", fields_of(pack([body]), b""))
    await reconcile(redis)
    assert (await Queries(redis).campaign(campaign.id)).stats["clicked"] == 1
    await redis.xadd("reports", fields_of(pack([body]), b"", from_links=True))
    await reconcile(redis)
    assert (await Queries(redis).campaign(campaign.id)).stats["clicked"] == 10


@pytest.mark.parametrize(("headers", "event"), PROGRAMS)
async def test_programs_are_redirected_and_counted_apart(
    headers: dict[str, str], event: str, client: httpx.AsyncClient, campaign: LinkedCampaign, redis: Redis
) -> None:
    answer = await client.get(campaign.path(0), headers=headers)

    assert answer.status_code == 302
    assert [stored_event for stored_event, _ in await rows(redis)] == [event]


async def test_a_head_request_is_no_click(client: httpx.AsyncClient, campaign: LinkedCampaign, redis: Redis) -> None:
    answer = await client.head(campaign.path(0))

    assert answer.status_code == 302
    assert [event for event, _ in await rows(redis)] == ["link_probed"]


async def test_codes_that_were_made_up_or_changed_all_get_the_same_404(
    client: httpx.AsyncClient, campaign: LinkedCampaign, redis: Redis
) -> None:
    rng = random.Random(7)
    good = campaign.path(0)
    paths = [f"/{SENDER}/{''.join(rng.choices(ALPHABET, k=11))}" for _ in range(100)]
    paths += [good[:-1] + character for character in ALPHABET if character != good[-1]]
    paths += [good.replace("TIMESM", "OTHERS"), good.lower(), good[:-1], good + "a", f"{good}/x", "/", "/TIMESM/"]
    paths += [campaign.path(3), campaign.path(0, 2)]  # a message and a link that the campaign does not have

    answers = [await client.get(path) for path in paths]

    assert {(answer.status_code, answer.content) for answer in answers} == {(404, pages.UNKNOWN)}
    assert await rows(redis) == []


async def test_a_made_up_code_costs_no_call_to_redis(
    client: httpx.AsyncClient, campaign: LinkedCampaign, redis: Redis
) -> None:
    good = campaign.path(0)
    before = (await redis.info("stats"))["total_commands_processed"]
    for character in "ABCDEFGHIJ":
        await client.get(good[:-1] + character)
    after = (await redis.info("stats"))["total_commands_processed"]
    assert after - before <= 3  # INFO itself, and at most one code that is valid by chance


async def test_links_expire_seven_days_after_the_validity(redis: Redis, campaign: LinkedCampaign) -> None:
    clock = FakeClock(epoch=VALID_UNTIL_MS / 1000 + 7 * 86_400 - 1)
    async with serving_links(application(redis, clock=clock)) as client:
        assert (await client.get(campaign.path(0))).status_code == 302
        await clock.advance(1)
        answer = await client.get(campaign.path(0))
    assert answer.status_code == 410
    assert "This link has expired" in answer.text
    assert len(await rows(redis)) == 1


async def test_links_of_the_old_key_work_and_those_of_a_third_key_do_not(redis: Redis) -> None:
    old = await submit_with_links(redis, key=b"the key before that key")
    lost = await submit_with_links(redis, key=b"a key that nobody knows")
    async with serving_links(
        application(redis, keys=(b"a link key of enough bytes", b"the key before that key"))
    ) as client:
        assert (await client.get(old.path(0))).status_code == 302
        assert (await client.get(lost.path(0))).status_code == 404


async def test_a_get_of_the_opt_out_page_asks_and_changes_nothing(
    client: httpx.AsyncClient, campaign: LinkedCampaign, redis: Redis
) -> None:
    answer = await client.get(f"{campaign.path(1)}/stop")

    assert answer.status_code == 200
    assert '<form method="post">' in answer.text
    assert await rows(redis) == []


async def test_a_post_opts_out_within_a_second(
    client: httpx.AsyncClient, campaign: LinkedCampaign, redis: Redis
) -> None:
    answer = await client.post(f"{campaign.path(1)}/stop")

    assert answer.status_code == 200
    began = time.monotonic()
    await reconcile(redis)
    assert time.monotonic() - began < 10  # takes a second on a quiet machine
    assert await OptOuts(redis).contains(["919876500000", "919876500001"]) == [Listed.NOT_LISTED, Listed.OPTED_OUT]


async def test_a_post_opts_out_whatever_the_browser_calls_itself(
    client: httpx.AsyncClient, campaign: LinkedCampaign, redis: Redis
) -> None:
    answer = await client.post(f"{campaign.path(1)}/stop", headers={"user-agent": "Viber of a person"})
    assert "ask" not in answer.text
    await reconcile(redis)
    assert await OptOuts(redis).contains(["919876500001"]) == [Listed.OPTED_OUT]


async def test_one_link_cannot_fill_the_stream_of_reports(campaign: LinkedCampaign, redis: Redis) -> None:
    clock = FakeClock()
    async with serving_links(application(redis, max_visits_a_minute=3, clock=clock)) as client:
        assert [(await client.get(campaign.path(1))).status_code for _ in range(5)] == [302] * 3 + [429] * 2
        assert (await client.get(campaign.path(0))).status_code == 302
        assert len(await rows(redis)) == 4
        await clock.advance(60)
        assert (await client.get(campaign.path(1))).status_code == 302


async def test_a_campaign_without_opt_out_links_has_no_opt_out_page(client: httpx.AsyncClient, redis: Redis) -> None:
    campaign = await submit_with_links(redis)
    assert (await client.get(f"{campaign.path(0)}/stop")).status_code == 404
    assert (await client.post(f"{campaign.path(0)}/stop")).status_code == 404


async def test_other_methods_are_refused(client: httpx.AsyncClient, campaign: LinkedCampaign, redis: Redis) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        refused = await client.request(method, campaign.path(0))
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    refused = await client.put(f"{campaign.path(0)}/stop")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, POST")
    assert await rows(redis) == []


async def test_a_click_that_cannot_be_stored_is_not_redirected(redis: Redis, campaign: LinkedCampaign) -> None:
    room = ReportRoom(redis)
    room.refusal = "Redis uses 95% of its memory"
    async with serving_links(application(redis, room=room)) as client:
        answer = await client.get(campaign.path(0))
        ready = await client.get("/ready")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert ready.status_code == 503
    assert await rows(redis) == []


async def test_every_one_of_many_clicks_at_once_is_stored(
    client: httpx.AsyncClient, campaign: LinkedCampaign, redis: Redis
) -> None:
    answers = await asyncio.gather(*(client.get(campaign.path(number % 3)) for number in range(100)))

    assert {answer.status_code for answer in answers} == {302}
    assert len({row["id"] for _, row in await rows(redis)}) == 100
    assert await redis.xlen("reports") < 100  # several clicks share one write


async def test_the_health_of_the_process_and_of_redis_can_be_asked(client: httpx.AsyncClient) -> None:
    assert [(await client.get(path)).status_code for path in ("/health", "/ready")] == [200, 200]
