import asyncio
import time
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest

from tests.kit.sandbox import BASIC, GOOD, ReportReceiver, Start, correlation_id
from times_dispatch.sandbox import Faults, ReportsConfig
from times_dispatch.sandbox.bookkeeping.books import Books
from times_dispatch.sandbox.bookkeeping.entries import Acceptance, Arrival, Entry, InjectedFault, Refusal, ReportEntry
from times_dispatch.sandbox.bookkeeping.journal import Journal


def acceptance(
    number: int, *, sender: str = "TIMESM", to: str = "a", at_ns: int = 0, campaign: str = "campaign"
) -> Acceptance:
    return Acceptance(sender, correlation_id(number, campaign), at_ns, to, 1)


def books_of(*entries: Entry) -> Books:
    books = Books()
    for entry in entries:
        books.enter(entry)
    return books


def test_an_id_accepted_three_times_is_one_repeated_id() -> None:
    books = books_of(acceptance(1), acceptance(1), acceptance(1), acceptance(2, to="b"))
    shown = books.all.as_dict()
    assert (shown["accepted"], shown["distinct_ids"]) == (4, 2)
    assert shown["repeated_ids"] == {"count": 1, "ids": [correlation_id(1)]}
    assert [message.times for message in books.in_order] == [3, 1]


def test_repeated_ids_are_all_counted_and_twenty_named() -> None:
    books = books_of(*(acceptance(n, to=str(n)) for n in range(25) for _ in range(2)))
    assert books.all.repeated_ids == 25
    assert len(books.all.repeated_ids_listed) == 20


def test_a_number_may_be_accepted_once_per_campaign() -> None:
    books = books_of(acceptance(1), acceptance(1, campaign="campaigm"), acceptance(2, to="b"))
    assert books.all.repeated_numbers == 0
    for number in (3, 4):
        books.enter(acceptance(number))
    assert books.all.repeated_numbers == 1


def test_senders_are_counted_apart_and_in_all() -> None:
    books = books_of(
        Arrival("A", "1", 10**9),
        Arrival("B", "2", 10**9 + 1),
        Arrival("B", "2", 3 * 10**9),
        Refusal("B", 2054),
        InjectedFault("A", "http_500"),
        acceptance(1, sender="A"),
    )
    shown = {sender: counters.as_dict() for sender, counters in books.senders.items()}
    assert [shown[sender]["arrivals"] for sender in "AB"] == [1, 2]
    assert [shown[sender]["max_per_second"] for sender in "AB"] == [1, 1]
    assert books.all.as_dict()["max_per_second"] == 2
    assert (shown["B"]["first_arrival"], shown["B"]["last_arrival"]) == (1.000000001, 3.0)
    assert (shown["A"]["refused"], shown["B"]["refused"]) == ({}, {"2054": 1})
    assert (shown["A"]["faults"], shown["A"]["accepted"], shown["B"]["accepted"]) == ({"http_500": 1}, 1, 0)
    assert books.arrivals_of("2") == 2


def test_reports_are_counted_once_as_distinct_and_each_time_as_posted() -> None:
    meta = correlation_id(1)
    books = books_of(
        acceptance(1),
        ReportEntry("failed", meta, "901", "own"),
        ReportEntry("failed", meta, "901", "own"),
        ReportEntry("delivered", meta, "", "own"),
        ReportEntry("failed", meta, "901", "own"),
        ReportEntry("clicked", meta, "", "own"),
        ReportEntry("failed", "nobody", "904", "forged"),
    )
    shown = books.all.as_dict()["reports"]
    assert shown == {
        "distinct": {"failed": 1, "delivered": 1, "clicked": 1},
        "posted": {"failed": 3, "delivered": 1, "clicked": 1},
        "failed_codes": {"901": 1},
    }
    message = books.messages[meta]
    assert (message.event, message.code, message.failed, message.clicked) == ("delivered", "", 3, 1)
    assert books.unknown_reports == {"forged": 1}
    assert books.unreported() == []


async def test_a_message_is_in_the_books_when_the_client_leaves_without_its_answer(start: Start) -> None:
    client = await start(latency_min_ms=60_000, latency_max_ms=60_000)
    pushing = asyncio.create_task(client.push())
    await client.until(lambda books: books["all"]["accepted"])
    pushing.cancel()
    assert (await client.books())["all"]["distinct_ids"] == 1


async def test_a_request_that_never_came_whole_is_in_no_books(start: Start) -> None:
    client = await start()
    address = urlsplit(client.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(
        f"POST /ct/api/v1/message HTTP/1.1\r\nHost: x\r\nAuthorization: {BASIC}\r\nContent-Length: 500\r\n".encode()
    )
    writer.write(b"Content-Type: application/json\r\n\r\n" + orjson.dumps(GOOD))
    writer.write_eof()
    await reader.read()
    writer.close()
    assert (await client.books())["all"]["arrivals"] == 0


async def test_accepted_messages_are_listed_in_pages_without_their_numbers(start: Start) -> None:
    client = await start()
    before = time.time()
    for n in range(5):
        await client.push(corelationid=correlation_id(n), to=f"+91987654321{n}")
    await client.push(corelationid=correlation_id(0))
    rows = await client.accepted()
    assert [row["id"] for row in rows] == [correlation_id(n) for n in range(5)]
    assert [row["times"] for row in rows] == [2, 1, 1, 1, 1]
    assert rows[1]["to"] == sha256(b"919876543211").hexdigest()[:16]
    assert all(before - 0.5 <= row["at"] <= time.time() + 0.5 for row in rows)
    page = (await client.get("/sandbox/accepted", after="2", limit="2"))[1].splitlines()
    assert [orjson.loads(line)["n"] for line in page] == [3, 4]
    assert (await client.get("/sandbox/accepted", after="5"))[1] == b""
    assert (await client.get("/sandbox/accepted", after="x"))[0] == 400


async def test_arrivals_are_listed_per_sender_with_their_times(start: Start) -> None:
    client = await start(faults=Faults(http_500=0.5))
    for n in range(6):
        await client.push(**{"from": "AAAAAA" if n % 3 else "BBBBBB", "corelationid": correlation_id(n)})
    listed = orjson.loads((await client.get("/sandbox/arrivals", sender="AAAAAA"))[1])
    assert listed["count"] == len(listed["arrivals"]) == 4
    assert listed["arrivals"] == sorted(listed["arrivals"])
    assert listed["arrivals"][-1] == pytest.approx(time.time(), abs=5)
    everything = orjson.loads((await client.get("/sandbox/arrivals"))[1])["arrivals"]
    later = orjson.loads((await client.get("/sandbox/arrivals", after=str(everything[2] + 1e-6)))[1])
    assert (len(everything), later["count"]) == (6, 3)
    assert orjson.loads((await client.get("/sandbox/arrivals", sender="NOBODY"))[1])["count"] == 0


async def test_unicode_that_does_not_fit_the_text_is_counted(start: Start) -> None:
    client = await start()
    taken = await client.push(text="₹ 100", unicode="false")
    assert orjson.loads(taken[1])["pdu"] == 1
    await client.push(text="plain " * 20, unicode="true", corelationid=correlation_id(2))
    books = (await client.books())["all"]
    assert (books["unicode_mismatches"], books["unicode_needless"], books["parts"]) == (1, 1, 3)


async def test_a_reset_empties_the_books_and_forgets_pending_reports(start: Start, receiver: ReportReceiver) -> None:
    client = await start(reports=ReportsConfig(url=receiver.url, delay_min_ms=60_000, delay_max_ms=60_000, early=0.0))
    await client.push()
    assert (await client.books())["reports"]["pending"] >= 1
    assert (await client.post("/sandbox/reset", b""))[0] == 200
    books = await client.books()
    assert (books["all"]["accepted"], books["senders"], books["reports"]["pending"]) == (0, {}, 0)
    assert (await client.flush())["reports"]["posts"]["acknowledged"] == 0
    assert receiver.bodies == []


async def test_the_journal_keeps_the_books_over_a_restart(
    start: Start, receiver: ReportReceiver, tmp_path: Path
) -> None:
    path = tmp_path / "books"
    slow = ReportsConfig(url=receiver.url, delay_min_ms=60_000, delay_max_ms=60_000, early=0.5, duplicated=0.0)
    before = await start(journal=str(path), reports=slow)
    for n in range(12):
        await before.push(corelationid=correlation_id(n), to=f"9198765432{n:02d}")
    await before.push(to="1")
    kept = await before.books()
    early = len(receiver.rows)
    assert 0 < early < 12
    with path.open("ab") as journal:
        journal.write(b'["arrival","TIME')  # an unfinished line, as after a kill
    after = await start(journal=str(path), reports=slow)
    assert (await after.books())["all"] == kept["all"]
    await after.flush()
    assert {row["meta"] for _, row in receiver.rows} == {correlation_id(n) for n in range(12)}
    assert all(row["event"] for row in await after.accepted())


def test_a_reset_is_kept_over_a_restart_too(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "books")
    books = Books(journal)
    books.enter(acceptance(1))
    books.reset()
    books.enter(acceptance(2))
    journal.close()
    again = Journal(tmp_path / "books")
    assert [message.id for message in Books(again).in_order] == [correlation_id(2)]
    again.close()


def test_injected_faults_in_a_journal_of_an_earlier_version_are_read(tmp_path: Path) -> None:
    (tmp_path / "books").write_bytes(b'["mishap","TIMESM","http_429"]\n["injected_fault","TIMESM","http_429"]\n')
    journal = Journal(tmp_path / "books")
    assert Books(journal).all.faults == {"http_429": 2}
    journal.close()


async def test_connections_are_counted(start: Start) -> None:
    client = await start()
    opened = (await client.books())["connections"]["opened"]
    await client.push()
    await client.push()
    assert (await client.books())["connections"]["opened"] == opened + 3
