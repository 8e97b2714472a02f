from typing import Any

import msgspec

from tests.kit.sandbox import ReportReceiver, SandboxClient, Start, correlation_id
from times_dispatch.sandbox.config import ClicksConfig

LINK = "go.brand.in/TIMESM/keUpWKYE5VS"
QUIET = {"share": 1.0, "delay_min_ms": 0, "delay_max_ms": 0}


async def clicking(start: Start, links_server: ReportReceiver, **config: Any) -> SandboxClient:
    return await start(
        clicks=msgspec.convert({"url": links_server.url, "domain": "go.brand.in", **QUIET, **config}, ClicksConfig)
    )


async def test_a_recipient_fetches_the_link_and_the_books_count_the_redirect(
    start: Start, links_server: ReportReceiver
) -> None:
    sandbox = await clicking(start, links_server)

    await sandbox.push(text=f"See {LINK} now", corelationid=correlation_id(1))

    await sandbox.until(lambda books: books["all"]["reports"]["posted"].get("clicked") == 1)
    assert links_server.bodies == ["/TIMESM/keUpWKYE5VS"]
    assert [message["clicked"] for message in await sandbox.accepted()] == [1]


async def test_a_recipient_may_click_several_times(start: Start, links_server: ReportReceiver) -> None:
    sandbox = await clicking(start, links_server, max_clicks=4)
    for number in range(20):
        await sandbox.push(text=f"See {LINK} now", corelationid=correlation_id(number))

    await sandbox.until(lambda books: books["reports"]["pending_clicks"] == 0)
    assert {message["clicked"] for message in await sandbox.accepted()} == {1, 2, 3, 4}


async def test_only_links_of_the_domain_are_clicked(start: Start, links_server: ReportReceiver) -> None:
    sandbox = await clicking(start, links_server)

    await sandbox.push(text="See go.other.in/TIMESM/keUpWKYE5VS and go.brand.in", corelationid=correlation_id(1))

    assert (await sandbox.books())["reports"]["pending_clicks"] == 0


async def test_nobody_clicks_with_a_share_of_0(start: Start, links_server: ReportReceiver) -> None:
    sandbox = await clicking(start, links_server, share=0.0)

    await sandbox.push(text=LINK, corelationid=correlation_id(1))

    assert (await sandbox.books())["reports"]["pending_clicks"] == 0


async def test_a_click_without_an_answer_is_tried_again_and_counted_once(
    start: Start, links_server: ReportReceiver
) -> None:
    links_server.statuses = [503]
    sandbox = await clicking(start, links_server)

    await sandbox.push(text=LINK, corelationid=correlation_id(1))

    await sandbox.until(lambda books: books["all"]["reports"]["posted"].get("clicked") == 1)
    assert len(links_server.bodies) == 2
