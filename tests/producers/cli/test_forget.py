import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import zstandard
from redis import Redis as SyncRedis

from callbacks.dead_letters import DeadLetter, DeadLetterReason, DeadLetters
from callbacks.relay.foreign_relay import enqueue
from callbacks.stream_reader import StreamReader
from callbacks.streams import RELAY, REPORTS
from producers.cli import CliTimeouts
from tests.kit.ledger import SENDER, Ledger
from tests.kit.producers import SETTINGS, Run, csv_of, people
from tests.kit.reconciler import accept, make_reconciler, settle
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.keys import RECONCILERS
from times_dispatch.ledger.numbers.dead_numbers import DeadNumberRule, DeadNumbers
from times_dispatch.ledger.numbers.hidden_numbers import ForgottenNumbersHidden
from times_dispatch.ledger.numbers.opt_outs import OptOuts
from times_dispatch.ledger.reports.test_sends import SendTestReports

NUMBER, NATIONAL = "919000000001", "9000000001"
KEYS = {"DISPATCH_ARCHIVE_KEY": "0123456789abcdef0123", "DISPATCH_FORGET_KEY": "a key of forgotten numbers"}


@pytest.fixture
def archive(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings with an archive and both keys; returns the folder of the archive."""
    folder = tmp_path / "archive"
    table = f'[retention]\npath = "{folder}"\nlive = "1s"\n'
    limits = SETTINGS.replace("rate_per_s = 500", 'rate_per_s = 500\nmax_per_number = "3 in 24h"')
    (tmp_path / "dispatch.toml").write_text(f"{limits}\n{table}")
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    return folder


def grep(redis_url: str, folder: Path, word: str = NATIONAL) -> list[str]:
    """Return the keys and files that hold a word anywhere, also in names, fields, and compressed payloads."""
    matches, wanted = list[str](), word.encode()
    with SyncRedis.from_url(redis_url) as redis:
        for key in redis.scan_iter():
            pieces = [key, redis.dump(key) or b""]
            match redis.type(key):
                case b"string":
                    pieces.append(redis.get(key) or b"")
                case b"hash":
                    pieces += [piece for pair in redis.hgetall(key).items() for piece in pair]
                case b"set":
                    pieces += redis.smembers(key)
                case b"zset":
                    pieces += redis.zrange(key, 0, -1)
                case b"list":
                    pieces += redis.lrange(key, 0, -1)
                case b"stream":
                    entries: Any = redis.xrange(key)
                    pieces += [piece for _, fields in entries for pair in fields.items() for piece in pair]
            whole = [key + piece for piece in pieces]  # the key may have the first digits, and a field the last digits
            if any(wanted in piece or wanted in unpacked(piece) for piece in [*pieces, *whole]):
                matches.append(key.decode())
    files = [path for path in folder.rglob("*") if path.is_file()]
    return matches + [path.name for path in files if wanted in path.read_bytes()]


def unpacked(piece: bytes) -> bytes:
    try:
        return zstandard.ZstdDecompressor().decompress(piece)
    except zstandard.ZstdError:
        return b""


def submit(run: Run, *, name: str = "people.csv", count: int = 3) -> str:
    Path(name).write_text(csv_of(people(count)))
    done = run("submit", "campaign.toml", "--recipients", name, "--yes", "--again", "--json")
    assert done.exit_code == 0, done.output
    return str(json.loads(done.stdout)["campaign"])


async def leave_traces(redis_url: str) -> None:
    """Write the number to every place where a number can be stored."""
    async with connect(redis_url) as redis:
        await DeadNumbers(redis, DeadNumberRule(frozenset({910}), 180)).add({NUMBER: 910})
        await SendTestReports(redis).remember_number(7, NUMBER)
        await OptOuts(redis).add([NUMBER])
        body = b'[{"event":"replied","data":[{"from":"%s"}]}]' % NUMBER.encode()
        await DeadLetters(redis).add([DeadLetter(DeadLetterReason.UNUSABLE, body)])
        await redis.hset("{TIMESM}:recent_phones:5:9190000", "00001", "x")
        await accept(redis, b'[{"from":"+919000000001"}]', b'[{"from":"919000000002","incomingText":"90000 00001"}]')
        await enqueue(redis, [b'{"to":9000000001}', b'{"to":9000000002}'], via=b"1.1 other")


def test_after_forgetting_nothing_holds_the_number(run: Run, archive: Path, redis_url: str) -> None:
    campaign = submit(run)
    asyncio.run(leave_traces(redis_url))
    assert len(grep(redis_url, archive)) >= 4
    done = run("forget", NUMBER, "--yes", "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert (result["messages"], result["dead_letters"], result["bodies"]) == (1, 1, 2)
    assert (result["sealed"], result["damaged"]) == (4, [])
    assert NATIONAL not in done.output
    assert grep(redis_url, archive) == []
    [entry] = [entry for entry in json.loads(run("audit", "--json").stdout) if entry["action"] == "number forgotten"]
    assert entry["detail"] == result["digest"]
    shown = json.loads(run("show", campaign, "--json").stdout)
    assert shown["states"]["suppressed"] == 1
    assert shown["suppressed"] == {"a forgotten number": 1}
    assert run("optout", "count").stdout == "0 numbers\n"
    assert run("stats", "--recount").exit_code == 0


def test_a_report_that_a_reconciler_holds_is_waited_for_and_named(run: Run, archive: Path, redis_url: str) -> None:
    async def hold() -> None:
        async with connect(redis_url) as redis:
            await accept(redis, b'[{"from":"+919000000001"}]')
            reader = StreamReader(redis, REPORTS, RECONCILERS)
            assert await reader.read(1, block_ms=1) == []  # creates the consumer group
            assert len(await reader.read(1, block_ms=1)) == 1

    asyncio.run(hold())
    done = run("forget", NUMBER, "--yes", timeouts=CliTimeouts(pushes_s=0))
    assert done.exit_code == 1
    assert "a reconciler holds a report with the number" in done.stderr


def test_a_reconciler_hides_a_forgotten_number_in_reports_that_come_later(
    run: Run, archive: Path, redis_url: str
) -> None:
    assert run("forget", NUMBER, "--yes").exit_code == 0

    async def apply() -> None:
        async with connect(redis_url) as redis:
            await accept(redis, b'[{"event":"replied","data":[{"from":"919000000001","meta":"x"}]}]', b"9000000001")
            hide = ForgottenNumbersHidden(redis, KEYS["DISPATCH_FORGET_KEY"].encode()).hide
            await settle(make_reconciler(redis, relaying=True, hide=hide))
            assert await redis.xlen(REPORTS) == 0
            assert await redis.xlen(RELAY) + sum((await DeadLetters(redis).count()).values()) == 2

    asyncio.run(apply())
    assert grep(redis_url, archive) == []


def test_an_opt_out_of_a_forgotten_number_is_counted_and_not_stored(
    run: Run, archive: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("forget", NUMBER, "--yes").exit_code == 0
    Path("stops.csv").write_text("to\n+919000000001\n+919000000002\n")
    imported = run("optout", "import", "stops.csv")
    assert imported.stdout == "1 added, 0 on the list already, 1 suppressed already as forgotten, 0 refused\n"
    assert json.loads(run("optout", "import", "stops.csv", "--json").stdout)["forgotten"] == 1
    added = run("optout", "add", NUMBER, "+919000000003")
    assert added.stdout == "1 added, 0 on the list already, 1 suppressed already as forgotten\n"
    assert grep(redis_url, archive) == []
    monkeypatch.delenv("DISPATCH_FORGET_KEY")
    assert "DISPATCH_FORGET_KEY is not set" in run("optout", "import", "stops.csv").stderr
    assert grep(redis_url, archive) == []


def test_check_and_submit_count_rows_of_forgotten_numbers(
    run: Run, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("forget", NUMBER, "--yes").exit_code == 0
    assert run("optout", "add", "+919000000002").exit_code == 0
    Path("people.csv").write_text(csv_of(people(3)))
    checked = json.loads(run("check", "campaign.toml", "--recipients", "people.csv", "--json").stdout)
    assert (checked["forgotten"], checked["opted_out"], checked["problems"]) == (1, 1, [])
    shown = run("check", "campaign.toml", "--recipients", "people.csv").stdout
    assert "1 of them will be suppressed: a forgotten number" in shown
    with monkeypatch.context() as without_key:
        without_key.delenv("DISPATCH_FORGET_KEY")
        refused = run("check", "campaign.toml", "--recipients", "people.csv")
        assert (refused.exit_code, "DISPATCH_FORGET_KEY is not set" in refused.stdout) == (1, True)
    submitted = json.loads(run("submit", "campaign.toml", "--recipients", "people.csv", "--json").stdout)
    assert (submitted["forgotten"], submitted["opted_out"]) == (1, 1)


def test_a_later_campaign_suppresses_the_number_and_does_not_keep_it(run: Run, archive: Path, redis_url: str) -> None:
    assert run("forget", NUMBER, "--yes").exit_code == 0
    campaign = submit(run)
    shown = json.loads(run("show", campaign, "--json").stdout)
    assert shown["suppressed"] == {"a forgotten number": 1}
    assert (shown["states"]["pending"], shown["states"]["suppressed"]) == (2, 1)
    assert grep(redis_url, archive) == []
    assert run("stats", "--recount").exit_code == 0
    again = run("submit", "campaign.toml", "--recipients", "people.csv", "--yes", "--again", "--json")
    assert again.exit_code == 0, again.output
    rows = run("report", campaign, "--out", "-", "--numbers").stdout.splitlines()
    assert "000000" in rows[2]


def test_without_the_key_or_with_another_key_nothing_is_submitted(
    run: Run, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("forget", NUMBER, "--yes").exit_code == 0
    Path("people.csv").write_text(csv_of(people(3)))
    for key in (None, "another key of forgotten numbers"):
        monkeypatch.delenv("DISPATCH_FORGET_KEY") if key is None else monkeypatch.setenv("DISPATCH_FORGET_KEY", key)
        done = run("submit", "campaign.toml", "--recipients", "people.csv", "--yes")
        assert done.exit_code == 1
        assert "DISPATCH_FORGET_KEY is not" in done.stderr


def test_archived_rows_of_the_number_are_sealed(run: Run, archive: Path, redis_url: str) -> None:
    campaign = submit(run)
    assert run("cancel", campaign, "--yes").exit_code == 0
    asyncio.run(end_cancelled(redis_url))
    done = run("archive", "run", "--older-than", "0s")
    assert "1 campaign archived" in done.stdout, done.output
    assert len(json.loads(run("number", NUMBER, "--json").stdout)["messages"]) == 1
    assert run("forget", NUMBER, "--yes").exit_code == 0
    assert grep(redis_url, archive) == []
    known = json.loads(run("number", NUMBER, "--json").stdout)
    assert (known["messages"], known["forgotten"]) == ([], True)
    assert "forgotten: no sender texts the number" in run("number", NUMBER).stdout
    report = run("report", campaign, "--out", "-", "--numbers")
    assert report.exit_code == 0
    assert NATIONAL not in report.stdout
    assert "Person 1" not in report.stdout
    assert "Person 2" in report.stdout
    assert run("archive", "verify").exit_code == 0


def test_forgotten_numbers_and_sealed_records_are_found_again_after_the_loss_of_redis(
    run: Run, archive: Path, redis_url: str
) -> None:
    campaign = submit(run)
    assert run("cancel", campaign, "--yes").exit_code == 0
    asyncio.run(end_cancelled(redis_url))
    assert "1 campaign archived" in run("archive", "run", "--older-than", "0s").stdout
    other = submit(run)
    assert run("forget", NUMBER, "--yes").exit_code == 0
    with SyncRedis.from_url(redis_url) as redis:
        until = redis.zrange("{opt_outs}:sealed", 0, -1, withscores=True)
        redis.flushall()
    done = run("archive", "rebuild")
    assert (done.exit_code, done.stdout) == (
        0,
        "1 campaign found again, 0 known already; 1 sealed record, 1 forgotten number\n",
    ), done.output
    with SyncRedis.from_url(redis_url) as redis:
        assert redis.zrange("{opt_outs}:sealed", 0, -1, withscores=True) == until
    assert "Person 1" not in run("report", campaign, "--out", "-", "--numbers").stdout
    again = submit(run)
    assert again != other
    assert json.loads(run("show", again, "--json").stdout)["suppressed"] == {"a forgotten number": 1}
    assert grep(redis_url, archive) == []


async def end_cancelled(redis_url: str) -> None:
    async with connect(redis_url) as redis:
        await Ledger(redis).maintenance.end_pending(SENDER)


def test_a_second_call_finds_nothing_and_changes_nothing(run: Run, archive: Path, redis_url: str) -> None:
    submit(run)
    first = json.loads(run("forget", NUMBER, "--yes", "--json").stdout)
    second = json.loads(run("forget", NUMBER, "--yes", "--json").stdout)
    assert second == {**first, "messages": 0, "campaigns": 0, "sealed": 0, "entries": 0}
    assert len(list(archive.glob("sealed-*"))) == 1


def test_forgetting_without_an_archive_must_be_asked_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = run("forget", NUMBER, "--yes")
    assert refused.exit_code == 2
    assert "--unsealed deletes also the records" in refused.stderr
    assert run("forget", NUMBER, "--yes", "--unsealed").exit_code == 1  # the key is missing
    monkeypatch.setenv("DISPATCH_FORGET_KEY", KEYS["DISPATCH_FORGET_KEY"])
    done = run("forget", NUMBER, "--unsealed")
    assert done.exit_code == 2
    assert "gets no message of any sender any more" in done.stderr
    assert run("forget", NUMBER, "--yes", "--unsealed").exit_code == 0


def test_a_test_message_to_the_number_is_refused(run: Run, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCH_ID_KEY", "0123456789abcdef")
    monkeypatch.setenv("DISPATCH_PROVIDER_TM_USERNAME", "shop")
    monkeypatch.setenv("DISPATCH_PROVIDER_TM_PASSWORD", "hunter2")
    assert run("forget", NUMBER, "--yes").exit_code == 0
    done = run("send-test", "--country-code", "91", "--number", NATIONAL, "--message", "x")
    assert (done.exit_code, done.stderr) == (2, "the number is forgotten: it gets no message (docs/retention.md)\n")


def test_the_same_files_are_not_submitted_again_after_their_campaign_was_archived(
    run: Run, archive: Path, redis_url: str
) -> None:
    Path("people.csv").write_text(csv_of(people(3)))
    submitted = run("submit", "campaign.toml", "--recipients", "people.csv", "--yes", "--json")
    campaign = json.loads(submitted.stdout)["campaign"]
    run("cancel", campaign, "--yes")
    asyncio.run(end_cancelled(redis_url))
    assert "1 campaign archived" in run("archive", "run", "--older-than", "0s").stdout
    done = run("submit", "campaign.toml", "--recipients", "people.csv", "--yes")
    assert done.exit_code == 2
    refusal = f"submitted before as {campaign}, which is archived; --again sends the campaign once more\n"
    assert done.stderr.endswith(refusal)
