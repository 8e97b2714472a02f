"""A real receiver over real HTTP: the responses, and the contents of the stream when a response arrives."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx
import pytest
from redis.asyncio import Redis

from callbacks.callback_secrets import CALLBACK_SECRETS, READ_EVERY_S
from callbacks.dead_letters import DeadLetterReason, DeadLetters
from callbacks.request_body import MAX_BODY_BYTES, MAX_DISCARDED_BYTES
from callbacks.streams import REPORTS
from tests.kit.callbacks import SECRET, Processes, posted, row, stored
from tests.kit.waiting import eventually
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import connect

pytestmark = pytest.mark.processes

PATH = f"/callbacks/{SECRET}"
GOOD = posted("delivered", row("m1"), row("m2"))


async def _is_ready(http: httpx.AsyncClient) -> bool:
    return (await http.get("/ready")).status_code == 200


async def _is_refusing(http: httpx.AsyncClient) -> bool:
    answer = await http.get("/ready")
    return answer.status_code == 503 and answer.json()["status"].startswith("no reports are taken: Redis uses ")


def without_timestamp(answer: httpx.Response) -> dict[str, object]:
    """Check the timestamp of an answer, and return the content without it."""
    content: dict[str, object] = answer.json()
    inner = content.get("data") or content["details"]
    assert isinstance(inner, dict)
    assert abs(inner.pop("timestamp") - time.time()) < 10
    return content


async def stored_keys(redis: Redis) -> list[bytes | str]:
    """Return the keys in Redis without the heartbeats, which the receiver writes every few seconds."""
    return [key for key in await redis.keys() if not str(key).startswith("b'{processes}")]


async def test_good_reports_are_stored_byte_for_byte_before_the_200(redis: Redis, http: httpx.AsyncClient) -> None:
    answer = await http.post(PATH, content=GOOD)
    assert await stored(redis) == [GOOD]
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert without_timestamp(answer) == {
        "status": "success",
        "message": "Callback processed successfully",
        "data": {"processed_events": 2},
    }


async def test_a_bad_row_does_not_cost_the_good_ones(redis: Redis, http: httpx.AsyncClient) -> None:
    body = posted("delivered", row("m1"), {"ts": 1}, {"meta": "m"})
    answer = await http.post(PATH, content=body)
    assert (answer.status_code, answer.json()["data"]["processed_events"]) == (200, 1)
    assert await stored(redis) == [body]


async def test_an_event_that_nobody_knows_is_kept_for_people_to_see(redis: Redis, http: httpx.AsyncClient) -> None:
    body = posted("teleported", row("m1"))
    answer = await http.post(PATH, content=body)
    assert (answer.status_code, answer.json()["data"]["processed_events"]) == (200, 0)
    assert await stored(redis) == [body]


async def test_a_batch_without_rows_is_fine_and_leaves_nothing(redis: Redis, http: httpx.AsyncClient) -> None:
    answer = await http.post(PATH, content=posted("delivered"))
    assert (answer.status_code, answer.json()["data"]["processed_events"]) == (200, 0)
    assert await stored_keys(redis) == []


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        (posted("delivered", {"ts": 1}), ["meta"]),
        (posted("clicked", {"ts": 1}, {"meta": "m"}), ["meta", "ts", "url"]),
        (b'[{"data":[{"ts":1,"meta":"m"}]}]', ["event"]),
        (b'{"event":"delivered","ts":1}', ["meta"]),
        (b"[1,2]", ["event", "meta", "ts"]),
        (b'[{"event":"delivered","data":[1]}]', ["meta", "ts"]),
        (b"event=delivered&ts=1", ["meta"]),
    ],
)
async def test_a_body_without_mandatory_fields_gets_400_that_names_them_and_is_kept(
    redis: Redis, http: httpx.AsyncClient, body: bytes, missing: list[str]
) -> None:
    answer = await http.post(PATH, content=body)
    assert answer.status_code == 400
    assert without_timestamp(answer) == {
        "status": "error",
        "message": "Bad request. Some mandatory parameter was missing.",
        "error_code": 400,
        "details": {"missing_fields": missing},
    }
    assert await stored(redis) == []
    (kept,) = await DeadLetters(redis).oldest()
    assert (kept.reason, kept.detail) == (DeadLetterReason.UNUSABLE, f"fields are missing: {', '.join(missing)}")


@pytest.mark.parametrize("body", [b"", b"  ", b"[]", b" [ ] "])
async def test_an_empty_body_gets_400_and_leaves_nothing(redis: Redis, http: httpx.AsyncClient, body: bytes) -> None:
    answer = await http.post(PATH, content=body)
    assert (answer.status_code, answer.json()["details"]["missing_fields"]) == (400, ["event", "ts", "meta"])
    assert await stored_keys(redis) == []


@pytest.mark.parametrize("body", [b"not json", GOOD[:-2], b"[" * 100_000, b"<xml/>", b"a=b&c=d", b"\x00"])
async def test_a_body_that_can_never_be_read_gets_400_with_the_true_reason_and_is_kept(
    redis: Redis, http: httpx.AsyncClient, body: bytes
) -> None:
    answer = await http.post(PATH, content=body)
    content = answer.json()
    assert (answer.status_code, content["details"]["missing_fields"]) == (400, [])
    assert content["message"].startswith("Bad request: the body is n")
    assert await stored(redis) == []
    (kept,) = await DeadLetters(redis).oldest()
    assert (kept.reason, kept.body) == (DeadLetterReason.UNREADABLE, body)


@pytest.mark.parametrize(
    "path", ["/", "/callbacks", "/callbacks/", f"{PATH}x", PATH[:-1], f"{PATH}//", "/callbacks/%ff%00", "/x?" + SECRET]
)
async def test_a_wrong_path_or_secret_gets_404(redis: Redis, http: httpx.AsyncClient, path: str) -> None:
    answer = await http.post(path, content=GOOD)
    assert answer.status_code == 404
    # The heartbeat of the receiver may come at any moment.
    assert [key for key in await redis.keys() if "{processes}" not in str(key)] == []


async def test_only_post_is_allowed_and_only_with_the_secret_does_one_learn_it(http: httpx.AsyncClient) -> None:
    answer = await http.get(PATH)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert (await http.get(PATH + "x")).status_code == 404
    assert (await http.post("/health")).status_code == 405


def of_size(size: int) -> bytes:
    return posted("delivered", row("m1")).ljust(size)


async def chunks(body: bytes, size: int = 60_000) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("size", "status"), [(MAX_BODY_BYTES - 1, 200), (MAX_BODY_BYTES, 200), (MAX_BODY_BYTES + 1, 413)]
)
async def test_a_body_may_have_one_mebibyte_and_not_a_byte_more(
    redis: Redis, http: httpx.AsyncClient, size: int, status: int, chunked: bool
) -> None:
    body = of_size(size)
    answer = await http.post(PATH, content=chunks(body) if chunked else body)
    assert answer.status_code == status
    assert len(await stored(redis)) == (status == 200)


async def test_a_huge_body_is_refused_without_reading_it_all(redis: Redis, http: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100 * MAX_DISCARDED_BYTES:
            sent += 60_000
            yield b" " * 60_000

    with suppress(httpx.WriteError, httpx.ReadError):  # the receiver may close the connection before the body ends
        assert (await http.post(PATH, content=endless())).status_code == 413
    assert sent < 3 * MAX_DISCARDED_BYTES
    assert await stored_keys(redis) == []


async def test_a_declared_giant_is_refused_before_its_first_byte(receiver_url: str) -> None:
    url = httpx.URL(receiver_url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: {MAX_DISCARDED_BYTES + 1}\r\n\r\n".encode())
    assert (await asyncio.wait_for(reader.readline(), 30)).startswith(b"HTTP/1.1 413 ")
    writer.close()
    await writer.wait_closed()


async def test_many_at_once_are_all_stored(redis: Redis, http: httpx.AsyncClient) -> None:
    bodies = [posted("delivered", row(f"m{n}")) for n in range(60)]
    answers = await asyncio.gather(*(http.post(PATH, content=body) for body in bodies))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(await stored(redis)) == sorted(bodies)
    assert await redis.xlen(REPORTS) < len(bodies)


async def test_redis_frozen_killed_full_or_read_only_is_a_503_and_nothing_acknowledged_is_lost(
    processes: Processes,
) -> None:
    with EmbeddedServer(appendonly=True, appendfsync="always") as server:
        process, url = processes.receiver(server.url)
        acknowledged: list[bytes] = []
        async with connect(server.url) as redis, httpx.AsyncClient(base_url=url, timeout=90) as http:

            async def post(number: int) -> int:
                body = posted("delivered", row(f"m{number}"))
                started = time.monotonic()
                answer = await http.post(PATH, content=body)
                assert time.monotonic() - started < 60
                if answer.status_code == 200:
                    acknowledged.append(body)
                return answer.status_code

            assert await post(0) == 200

            await redis.config_set("maxmemory", 1)
            assert await post(1) == 503
            assert await eventually(lambda: _is_refusing(http))
            await redis.config_set("maxmemory", 0)
            assert await eventually(lambda: _is_ready(http))
            assert await post(2) == 200

            await redis.replicaof("127.0.0.1", 1)
            assert await post(3) == 503
            await redis.replicaof("NO", "ONE")
            assert await post(4) == 200

            server.send(signal.SIGSTOP)
            assert set(await asyncio.gather(*map(post, range(5, 10)))) == {503}
            assert (await http.get("/health")).status_code == 200
            assert (await http.get("/ready")).status_code == 503
            server.send(signal.SIGCONT)
            assert await post(10) == 200
            assert (await http.get("/ready")).status_code == 200

            server.kill()
            assert await post(11) == 503
            server.restart()
            assert await post(12) == 200

            assert len(acknowledged) == 5
            assert set(acknowledged) <= set(await stored(redis))
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
        assert SECRET not in processes.logs()


async def test_sigterm_lets_what_is_under_way_finish_but_does_not_wait_for_a_body_that_never_comes(
    redis: Redis, redis_url: str, processes: Processes
) -> None:
    process, url = processes.receiver(redis_url)
    head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(GOOD)}\r\n\r\n".encode()
    connections = [await asyncio.open_connection(httpx.URL(url).host, httpx.URL(url).port) for _ in range(2)]
    for _, writer in connections:
        writer.write(head + GOOD[:10])
        await writer.drain()
    async with httpx.AsyncClient(base_url=url) as http:
        assert (await http.post(PATH, content=GOOD)).status_code == 200  # so the receiver read the parts before
    process.send_signal(signal.SIGTERM)

    async def listens_no_more() -> bool:
        try:
            _, writer = await asyncio.open_connection(httpx.URL(url).host, httpx.URL(url).port)
        except ConnectionError:
            return True
        writer.close()
        return False

    await eventually(listens_no_more)
    reader, writer = connections[0]
    writer.write(GOOD[10:])
    assert (await asyncio.wait_for(reader.readline(), 30)).startswith(b"HTTP/1.1 200 ")
    assert await asyncio.to_thread(process.wait, 60) == 0
    assert await stored(redis) == [GOOD, GOOD]
    for _, writer in connections:
        writer.close()


def test_settings_that_are_wrong_are_all_named_and_end_it_with_2(processes: Processes) -> None:
    process = processes.start("-m", "callbacks.receiver", redis_url="nonsense", DISPATCH_CALLBACK_SECRET="short")
    assert process.wait(120) == 2
    assert "DISPATCH_REDIS_URL" in processes.logs()
    assert "DISPATCH_CALLBACK_SECRET" in processes.logs()


async def test_through_a_change_of_the_secret_no_poster_gets_404(
    redis: Redis, redis_url: str, processes: Processes
) -> None:
    """Two receivers: the first starts again with the new secret, while the second knows only the old secret."""
    new = "the-new-secret-path-of-the-tests"
    _, not_yet_changed = processes.receiver(redis_url)
    await eventually(lambda: redis.exists(CALLBACK_SECRETS))

    async with httpx.AsyncClient(timeout=120) as http:

        async def post(url: str, secret: str) -> int:
            return (await http.post(f"{url}/callbacks/{secret}", content=GOOD)).status_code

        assert await post(not_yet_changed, new) == 404  # the provider does not use the new secret yet
        _, changed = processes.receiver(redis_url, DISPATCH_CALLBACK_SECRET=new, DISPATCH_CALLBACK_SECRET_OLD=SECRET)

        async def are_recorded(secrets: int) -> bool:
            digests = await redis.hget(CALLBACK_SECRETS, "digests")
            return len((digests or b"").split()) == secrets

        await eventually(lambda: are_recorded(2))
        await asyncio.sleep(READ_EVERY_S)
        assert [await post(changed, secret) for secret in (new, SECRET, "guess")] == [200, 200, 503]
        assert [await post(not_yet_changed, secret) for secret in (new, SECRET, "guess")] == [503, 200, 503]
        _, without_old = processes.receiver(redis_url, DISPATCH_CALLBACK_SECRET=new)
        await eventually(lambda: are_recorded(1))
        assert [await post(without_old, secret) for secret in (new, SECRET)] == [200, 503]
        assert (await http.post(f"{changed}/other", content=GOOD)).status_code == 404

        await redis.hincrby(CALLBACK_SECRETS, "changed_ms", -25 * 3_600_000)  # a day and an hour later
        await asyncio.sleep(READ_EVERY_S)
        assert [await post(changed, secret) for secret in (new, SECRET, "guess")] == [200, 200, 404]
    logs = processes.logs()
    assert "a request had an unknown secret" in logs
    for secret in (SECRET, new, "guess"):
        assert secret not in logs
