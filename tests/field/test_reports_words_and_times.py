"""The words and times with which gateways name a message's state, and the ids of messages."""

import httpx
import pytest
from redis.asyncio import Redis

from tests.kit.callbacks import posted, row
from tests.kit.receiver import META, PATH, assert_delivered, classified


@pytest.mark.parametrize(
    "meta",
    [META.upper(), META.title(), f" {META}", f"{META}\r\n", f"\t{META.upper()} ", f"\u00a0{META}", f'"{META}"'],
)
async def test_an_id_in_other_case_or_with_blanks_is_ours(redis: Redis, http: httpx.AsyncClient, meta: str) -> None:
    await assert_delivered(redis, await http.post(PATH, content=posted("delivered", row(meta))))


async def test_an_id_whose_signature_is_wrong_is_not_ours_in_any_case(redis: Redis, http: httpx.AsyncClient) -> None:
    forged = META[:-1] + ("a" if META[-1] != "a" else "b")
    await http.post(PATH, content=posted("delivered", row(forged), row(forged.upper()), row(f" {forged} ")))
    reports = await classified(redis)
    assert (reports.reports, len(reports.dead_letters)) == ([], 3)


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        *[(name, "delivered") for name in ("Delivered", "DELIVRD", "delivered to handset", "Delivery-Success")],
        *[(name, "delivered") for name in ("MESSAGE_DELIVERED", "DeliveredToTerminal", "SMS Delivered")],
        *[(name, "failed") for name in ("MESSAGE_EXPIRED", "message-undelivered")],
        *[
            (name, "failed")
            for name in (
                *("undelivered", "UNDELIVERED", "Undeliverable", "not delivered", "not-delivered", "NOT_DELIVERED"),
                *("UNDELIV", "undelivrd", "failure", "fail", "FAILED", "Rejected", "REJECTD", "expired", "deleted"),
                *("blocked", "dropped", "bounced", "delivery failed", "Delivery_Failure", " failed "),
            )
        ],
        *[(name, "intermediate") for name in ("sent", "Submitted", "queued", "pending", "ENROUTE", "in transit")],
    ],
)
async def test_plain_words_of_events_are_read(redis: Redis, http: httpx.AsyncClient, event: str, kind: str) -> None:
    assert (await http.post(PATH, content=posted(event, row(META)))).status_code == 200
    (report,) = (await classified(redis)).reports
    assert (report.kind, report.code) == (kind, 900 if kind == "failed" else 0)


@pytest.mark.parametrize("event", ["dnd", "failed_dnd", "Failed-DND", "NDNC"])
async def test_dnd_is_a_failure_with_901(redis: Redis, http: httpx.AsyncClient, event: str) -> None:
    await http.post(PATH, content=posted(event, row(META)))
    (report,) = (await classified(redis)).reports
    assert (report.kind, report.code) == ("failed", 901)


@pytest.mark.parametrize("event", ["success", "done", "undelivered?", "unknown", "not failed", "0"])
async def test_a_word_whose_meaning_is_not_certain_is_kept_and_not_applied(
    redis: Redis, http: httpx.AsyncClient, event: str
) -> None:
    assert (await http.post(PATH, content=posted(event, row(META)))).status_code == 200
    reports = await classified(redis)
    assert (reports.reports, [letter.detail for letter in reports.dead_letters]) == ([], ["the event is unknown"])


@pytest.mark.parametrize(
    "ts",
    [
        "2026-11-21T23:56:40Z",
        "2026-11-21T23:56:40.999Z",
        "2026-11-21T23:56:40+00:00",
        "2026-11-22T05:26:40+05:30",
        "2026-11-22T05:26:40.5+0530",
        "2026-11-22 05:26:40 +0530",
        "2026-11-22T05:26:40",
        "2026-11-22 05:26:40",
        "2026/11/22 05:26:40",
        "2026-11-22 05:26:40 IST",
        "2026-11-21 23:56:40 UTC",
        "20261122052640",
        20261122052640,
        "Sat, 21 Nov 2026 23:56:40 GMT",
        "Sun, 22 Nov 2026 05:26:40 +0530",
        "22-Nov-2026 05:26:40",
        "22 nov 2026 05:26:40 IST",
        "21-Nov-2026 23:56:40 +0000",
        "22/11/2026 05:26:40",
        "11/22/2026 5:26:40 AM",
        "261122052640",
        261122052640,
        str(1_795_305_400),
        1_795_305_400_000,
        1_795_305_400_000_000,
        "1795305400000000000",
    ],
)
async def test_times_are_read_as_gateways_write_them(redis: Redis, http: httpx.AsyncClient, ts: object) -> None:
    assert (await http.post(PATH, content=posted("delivered", {"ts": ts, "meta": META}))).status_code == 200
    (report,) = (await classified(redis)).reports
    assert report.ts == 1_795_305_400


@pytest.mark.parametrize(
    "ts", ["2026-11-22", "05:26:40", "05/11/2026 05:26", "11-05-2026 05:26:40", "2026-13-22 05:26:40", "now"]
)
async def test_a_time_that_is_not_certain_is_kept_and_not_applied(
    redis: Redis, http: httpx.AsyncClient, ts: object
) -> None:
    assert (await http.post(PATH, content=posted("delivered", {"ts": ts, "meta": META}))).status_code == 200
    reports = await classified(redis)
    assert (reports.reports, len(reports.dead_letters)) == ([], 1)


async def test_a_receipt_time_of_smpp_is_no_time_in_2052(redis: Redis, http: httpx.AsyncClient) -> None:
    for ts in ("2611220526", 2611220526):
        await http.post(PATH, content=posted("delivered", {"ts": ts, "meta": META}))
    await http.post(PATH, content=posted("delivered", {"ts": "2613220526", "meta": META}))
    reports = await classified(redis)
    assert [report.ts for report in reports.reports] == [1_795_305_360] * 2
    assert len(reports.dead_letters) == 1


async def test_a_reply_of_one_number_is_read(redis: Redis, http: httpx.AsyncClient) -> None:
    assert (await http.post(PATH, content=posted("replied", row(META, incomingText=1)))).status_code == 200
    (report,) = (await classified(redis)).reports
    assert report.kind == "replied"
