"""Requests in which gateways and proxies post delivery reports, over a real socket."""

import asyncio
import json
from urllib.parse import quote, urlencode

import httpx
import pytest
from redis.asyncio import Redis

from callbacks.dead_letters import DeadLetterReason, DeadLetters
from callbacks.http.posted_reports import is_light
from callbacks.streams import REPORTS
from tests.kit.callbacks import NOW_S, posted, row, stored
from tests.kit.receiver import META, PATH, assert_delivered, classified
from tests.kit.waiting import loop_turns

BODY = posted("delivered", row(META))
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("size", [1_000_000, 1], ids=["whole", "byte-by-byte"])
@pytest.mark.parametrize(
    "headers",
    [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
        "Upgrade: h2c\r\nConnection: upgrade\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
        "Connection: keep-alive, Upgrade\r\nUpgrade: TLS/1.0, HTTP/2.0\r\n",
        "Upgrade: h2c\r\n",
        "Connection: Upgrade\r\n",
    ],
)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_a_request_for_another_protocol_loses_no_body(
    redis: Redis, http: httpx.AsyncClient, headers: str, size: int, chunked: bool
) -> None:
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(BODY)}"
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY) if chunked else BODY
    request = f"POST {PATH} HTTP/1.1\r\nHost: a\r\n{headers}{framing}\r\n\r\n".encode() + body
    host, port = http.base_url.host, http.base_url.port
    reader, writer = await asyncio.open_connection(host, port)
    for _ in range(2):
        for at in range(0, len(request), size):
            writer.write(request[at : at + size])
            await writer.drain()
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        assert head.startswith(b"HTTP/1.1 200 OK")
        await reader.readuntil(b"}}")
    writer.close()
    assert await stored(redis) == [BODY, BODY]


async def test_a_request_for_a_tunnel_is_refused(redis: Redis, http: httpx.AsyncClient) -> None:
    reader, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
    writer.write(b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n" + BODY)
    assert (await asyncio.wait_for(reader.read(), 30)).startswith(b"HTTP/1.1 400 ")
    writer.close()


async def test_a_slash_after_the_secret_does_no_harm(redis: Redis, http: httpx.AsyncClient) -> None:
    await assert_delivered(redis, await http.post(f"{PATH}/", content=BODY))


async def test_a_put_is_read_like_a_post(redis: Redis, http: httpx.AsyncClient) -> None:
    await assert_delivered(redis, await http.put(PATH, content=BODY))


async def test_chunks_that_end_with_a_bare_line_feed_are_refused(redis: Redis, http: httpx.AsyncClient) -> None:
    """A proxy may read such chunks differently, so that the chunks could hide a second request."""
    reader, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
    head = f"POST {PATH} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    writer.write(head + b"%x\n%b\n0\n\n" % (len(BODY), BODY))
    assert (await asyncio.wait_for(reader.read(), 30)).startswith(b"HTTP/1.1 400 ")
    writer.close()
    assert await stored(redis) == []


FLAT = {"event": "delivered", "ts": NOW_S, "meta": META}


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (urlencode({"response": BODY}), FORM["content-type"]),
        (urlencode({"response": BODY}), "text/plain"),
        (urlencode({"data": BODY}), FORM["content-type"]),
        (urlencode({"id": "5", "payload": BODY, "x": ""}), FORM["content-type"]),
        (urlencode({"event": "delivered", "data": json.dumps([row(META)])}), FORM["content-type"]),
        (urlencode(FLAT), FORM["content-type"]),
        (urlencode({"Event": "DELIVERED", "TS": NOW_S, "Meta": META.upper()}), FORM["content-type"]),
        (urlencode({"status": "DELIVRD", "timestamp": NOW_S, "corelationid": META}), FORM["content-type"]),
        (quote(BODY), FORM["content-type"]),
        (BODY, FORM["content-type"]),
        (json.dumps(FLAT), "application/json"),
        (json.dumps([FLAT]), "application/json"),
        (json.dumps([{"EVENT": "DELIVERED", "Data": [row(META)]}]), "application/json"),
        (json.dumps({"Event": "delivered", "Ts": NOW_S, "META": META}), "application/json"),
        (json.dumps({"status": "DELIVRD", "timestamp": NOW_S, "correlationId": META}), "application/json"),
        (json.dumps(BODY.decode()), "application/json"),
        (b'{"response": ' + BODY + b"}", "application/json"),
        (json.dumps([{"event": "delivered", "data": json.dumps([row(META)])}]), "application/json"),
        (json.dumps([{"event": "delivered", "data": json.dumps(row(META))}]), "application/json"),
        (json.dumps([{"status": "DELIVRD", "doneDate": NOW_S, "corelationId": META}]), "application/json"),
        (json.dumps([{"eventType": "delivered", "timestamp": NOW_S, "correlation_id": META}]), "application/json"),
        (BODY + b"\0", "application/json"),
        (b"\x1e" + BODY + b"\n", "application/json-seq"),
        (json.dumps({"id": 5, "reports": BODY.decode()}), "application/json"),
        (BODY.decode().encode("utf-16"), "application/json; charset=utf-16"),
        (b"\xef\xbb\xbf" + BODY, "application/json"),
        (BODY[1:-1] + b"\n", "application/x-ndjson"),
    ],
)
async def test_reports_in_forms_and_other_wrappings_are_read(
    redis: Redis, http: httpx.AsyncClient, content: str | bytes, content_type: str
) -> None:
    await assert_delivered(redis, await http.post(PATH, content=content, headers={"content-type": content_type}))


@pytest.mark.parametrize("fields", [{"response": BODY.decode()}, {key: str(value) for key, value in FLAT.items()}])
async def test_a_multipart_form_is_read(redis: Redis, http: httpx.AsyncClient, fields: dict[str, str]) -> None:
    parts = {name: (None, value) for name, value in fields.items()}
    await assert_delivered(redis, await http.post(PATH, files=parts))


async def test_lines_of_json_are_read(redis: Redis, http: httpx.AsyncClient) -> None:
    lines = [posted("delivered", row(META))[1:-1], posted("failed", row("other"))[1:-1]]
    response = await http.post(PATH, content=b"\r\n".join([*lines, b""]))
    assert (response.status_code, response.json()["data"]["processed_events"]) == (200, 2)
    assert len((await classified(redis)).reports) == 1


@pytest.mark.parametrize("query", [urlencode({"response": BODY}), urlencode(FLAT), quote(BODY)])
async def test_a_get_with_a_query_is_read(redis: Redis, http: httpx.AsyncClient, query: str) -> None:
    await assert_delivered(redis, await http.get(f"{PATH}?{query}"))


@pytest.mark.parametrize("query", [urlencode({"response": BODY}), urlencode(FLAT)])
async def test_a_post_without_a_body_and_with_a_query_is_read(
    redis: Redis, http: httpx.AsyncClient, query: str
) -> None:
    await assert_delivered(redis, await http.post(f"{PATH}/?{query}"))


async def test_a_plus_in_a_time_of_a_form_may_be_unescaped(redis: Redis, http: httpx.AsyncClient) -> None:
    query = f"event=delivered&meta={META}&ts=2026-11-22T05:26:40+05:30"
    assert (await http.get(f"{PATH}?{query}")).status_code == 200
    (report,) = (await classified(redis)).reports
    assert report.ts == 1_795_305_400


@pytest.mark.parametrize("query", ["", "?", "?a=b", "?challenge=5"])
async def test_a_get_without_a_report_is_not_allowed(redis: Redis, http: httpx.AsyncClient, query: str) -> None:
    response = await http.get(f"{PATH}{query}")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert await redis.keys() == []


@pytest.mark.parametrize("query", ["dlr=id:5+stat:DELIVRD+err:000", "status=DELIVRD&msgid=5&mobile=919876543210"])
async def test_a_get_whose_report_cannot_be_read_is_kept(redis: Redis, http: httpx.AsyncClient, query: str) -> None:
    assert (await http.get(f"{PATH}?{query}")).status_code == 400
    (kept,) = await DeadLetters(redis).oldest()
    assert (kept.reason, kept.body) == (DeadLetterReason.UNREADABLE, query.encode())


@pytest.mark.parametrize(
    ("content", "missing"),
    [
        (json.dumps([{"event": "delivered", "data": [{"ts": NOW_S}]}]), ["meta"]),
        (json.dumps([{"event": "delivered", "data": [{"meta": META}]}]), ["ts"]),
        (json.dumps([{"data": [{"ts": NOW_S, "meta": META}]}]), ["event"]),
        (json.dumps([{"event": "clicked", "data": [{"ts": NOW_S, "meta": META}]}]), ["url"]),
        (json.dumps([{"event": "replied", "data": [{"ts": NOW_S, "meta": META}]}]), ["incomingText"]),
        (json.dumps({"event": "delivered", "ts": NOW_S}), ["meta"]),
        (json.dumps({"ts": NOW_S, "meta": META}), ["event"]),
        (urlencode({"event": "delivered", "meta": META}), ["ts"]),
        (json.dumps([{"event": "delivered", "data": ["x"]}]), ["meta", "ts"]),
        ("", ["event", "ts", "meta"]),
        ("[]", ["event", "ts", "meta"]),
    ],
)
async def test_a_400_names_what_is_really_missing(http: httpx.AsyncClient, content: str, missing: list[str]) -> None:
    response = await http.post(PATH, content=content)
    assert (response.status_code, response.json()["details"]["missing_fields"]) == (400, missing)


@pytest.mark.parametrize("content", [BODY[:-2], b"not json", b"<a/>", b"\x00\x01", b'{"event": delivered}', b"a=b"])
async def test_a_body_that_cannot_be_read_gets_400_names_nothing_and_is_kept_for_a_person(
    redis: Redis, http: httpx.AsyncClient, content: bytes
) -> None:
    response = await http.post(PATH, content=content)
    assert (response.status_code, response.json()["details"]["missing_fields"]) == (400, [])
    assert "missing" not in response.json()["message"]
    assert await redis.xlen(REPORTS) == 0
    (kept,) = await DeadLetters(redis).oldest()
    assert (kept.reason, kept.body) == (DeadLetterReason.UNREADABLE, content)


ENDLESS = {
    "fields": (b"", b"X-A: aaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 2000),
    "one field": (b"X-A: ", b"a" * 60_000),
    "one trailer": (b"Transfer-Encoding: chunked\r\n\r\n1\r\n[\r\n0\r\nX-A: ", b"a" * 60_000),
    "a chunk's extension": (b"Transfer-Encoding: chunked\r\n\r\n1;a=", b"a" * 60_000),
}


@pytest.mark.parametrize("part", ENDLESS)
async def test_an_endless_request_is_cut(http: httpx.AsyncClient, part: str) -> None:
    begin, more = ENDLESS[part]
    _, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
    writer.write(f"POST {PATH} HTTP/1.1\r\nHost: a\r\n".encode() + begin)
    written = 0
    with pytest.raises(ConnectionError):  # noqa: PT012
        while written < 200_000_000:
            writer.write(more)
            await writer.drain()
            written += len(more)
    assert written < 20_000_000
    writer.close()


@pytest.mark.parametrize(("size", "status"), [(32_000, 200), (33_000, 400)])
async def test_the_head_of_a_request_may_have_32_kib(http: httpx.AsyncClient, size: int, status: int) -> None:
    reader, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
    head = f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(BODY)}\r\nX-A: ".encode()
    writer.write(head + b"a" * size)
    await writer.drain()
    await loop_turns()
    if status == 200:
        writer.write(b"\r\n\r\n" + BODY)
    assert f" {status} ".encode() in await asyncio.wait_for(reader.readuntil(b"\r\n"), 30)
    writer.close()


@pytest.mark.parametrize("part", [",", "&", ";", "\n", "\r", "{", "["])
def test_a_body_of_many_rows_fields_lines_or_documents_is_read_in_a_thread(part: str) -> None:
    assert is_light((part * 700 + "a" * 700).encode())
    assert not is_light((part * 701).encode())


@pytest.mark.parametrize("event", ["delivered", "failed"])
def test_a_body_of_a_hundred_reports_is_read_without_a_thread(event: str) -> None:
    row = {"ts": 1_764_370_000, "meta": "a" * 26, "code": "910", "to": "919876543210", "description": "Inbox full"}
    assert is_light(json.dumps([{"event": event, "data": [row] * 100}]).encode())


def test_a_long_body_is_read_in_a_thread() -> None:
    assert is_light(b"a" * 16_384)
    assert not is_light(b"a" * 16_385)
