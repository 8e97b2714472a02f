import asyncio
import json
from collections.abc import Sequence

from redis import Redis

from callbacks.dead_letters import DeadLetter, DeadLetterLimits, DeadLetterReason, DeadLetters
from tests.kit.producers import Run
from times_dispatch.ledger.connection import connect

MAX_ROW_BYTES = DeadLetterLimits().max_row_bytes


def test_waiting_reports_are_counted_with_the_age_of_the_oldest(run: Run, redis_url: str) -> None:
    assert run("reports", "waiting").stdout == "no report waits for a reconciler\n"
    with Redis.from_url(redis_url) as redis:
        seconds, _ = redis.time()
        for age_s in (7_300, 10):
            redis.xadd("reports", {"b": b"[]"}, id=f"{(int(seconds) - age_s) * 1000}-0")
    assert run("reports", "waiting").stdout == "2 posts wait for a reconciler, the oldest for 2h 2m\n"
    answer = json.loads(run("reports", "waiting", "--json").stdout)
    assert answer["entries"] == 2
    assert 7_300 <= answer["oldest_s"] < 7_360


def add_dead_letters(redis_url: str, rows: Sequence[DeadLetter]) -> None:
    async def add() -> None:
        async with connect(redis_url) as redis:
            await DeadLetters(redis).add(rows)

    asyncio.run(add())


def test_dead_letters_are_listed_with_their_reason_and_without_their_body(run: Run, redis_url: str) -> None:
    assert run("reports", "rejected").stdout == "no report is in the dead letters\n"
    add_dead_letters(
        redis_url,
        [
            DeadLetter(DeadLetterReason.UNKNOWN, b"what somebody wrote"),
            DeadLetter(DeadLetterReason.NOT_APPLIED, b"and another"),
        ],
    )
    answer = run("reports", "rejected", "--reason", DeadLetterReason.NOT_APPLIED).stdout
    assert [line.split()[-1] for line in answer.splitlines() if line.startswith("unknown_message")] == ["1"]
    assert answer.splitlines()[-1].endswith("could not be applied")
    assert "wrote" not in answer
    assert "another" not in answer


def test_a_report_that_was_too_long_to_be_kept_is_listed_as_such(run: Run, redis_url: str) -> None:
    too_long = MAX_ROW_BYTES + 1
    add_dead_letters(redis_url, [DeadLetter(DeadLetterReason.NOT_APPLIED, b"x" * MAX_ROW_BYTES)])
    assert "too long" not in run("reports", "rejected").stdout
    add_dead_letters(redis_url, [DeadLetter(DeadLetterReason.NOT_APPLIED, b"x" * too_long)])
    last = run("reports", "rejected").stdout.splitlines()[-1]
    assert last.endswith(f"could not be applied; not kept: too long, {too_long:,} bytes")
    rows = json.loads(run("reports", "rejected", "--json").stdout)["rows"]
    assert [(row["bytes"], row["too_long"]) for row in rows] == [(MAX_ROW_BYTES, False), (too_long, True)]
    assert run("reports", "replay").stdout == "1 report is on its way to the reconcilers again\n"


def test_the_number_of_listed_rows_can_be_limited(run: Run, redis_url: str) -> None:
    add_dead_letters(
        redis_url, [DeadLetter(DeadLetterReason.NOT_APPLIED, b"one"), DeadLetter(DeadLetterReason.NOT_APPLIED, b"two")]
    )
    for option, warning in (("--max", ""), ("--most", "--most is an old name; write --max\n")):
        result = run("reports", "rejected", option, "1", "--json")
        answer = json.loads(result.stdout)
        assert (len(answer["rows"]), answer["kept"]) == (1, {"not_applied": 2})
        assert result.stderr == warning


def test_an_unknown_reason_is_refused_with_all_reasons(run: Run) -> None:
    for command in ("rejected", "replay"):
        refused = run("reports", command, "--reason", "forge")
        assert refused.exit_code == 2
        assert "'forge' is not one of not_ours, forged, unknown_message" in refused.stderr
        assert run("reports", command, "--reason", "forged").exit_code == 0
