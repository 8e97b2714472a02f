"""What holds for every script: loaded when missing, and refused whole or not at all."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.exceptions import OutOfMemoryError

from tests.times_dispatch.ledger.conftest import CAMPAIGN, SENDER, YEAR_2100_MS, Ledger, plan, recipients
from times_dispatch.ledger.frequency_cap import FrequencyCaps, FrequencyLimit, Mark
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.scripts import Script, script_names, text

LIMIT = FrequencyLimit(1800, 2, 60)
OTHER, CANCELLED, WAITING, BY_DAY = map(CampaignId, ("another1", "cancel01", "waiting1", "by-day01"))


@pytest.mark.parametrize(("value", "as_text"), [(b"TIMESM", "TIMESM"), (7, "7"), ("text", "text")])
def test_what_redis_replies_is_read_as_text(value: object, as_text: str) -> None:
    assert text(value) == as_text


def test_the_keys_of_a_sender_begin_with_its_hash_tag() -> None:
    assert hash_tag(SENDER) == "{TIMESM}"
    assert campaign_key(SENDER, CAMPAIGN) == "{TIMESM}:c:diwali01"


async def test_a_server_that_forgot_the_scripts_gets_them_again(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.redis.script_flush()
    await ledger.send_all()
    assert await ledger.states() == "aaa"


@pytest.fixture
async def in_the_middle(ledger: Ledger) -> AsyncIterator[dict[str, Callable[[], Awaitable[object]]]]:
    """A ledger in which every script would change something, and a call of each."""
    await ledger.submit(12)
    await ledger.submit(3, campaign=CANCELLED)
    await ledger.control.campaign(SENDER, CANCELLED, "cancel")
    first, second, third, _ = await ledger.issue()
    await ledger.submit(3, campaign=OTHER, sealed=False)
    await ledger.submit(3, campaign=WAITING)
    await ledger.submit(3, campaign=BY_DAY, send_from_min=600, send_until_min=1260)
    await ledger.work.release(await ledger.push(b"iai", await ledger.take(first)))
    lease = await ledger.take(second)
    block = await ledger.open(lease, most=2)
    await ledger.run_out(second, third)
    await ledger.redis.hset(campaign_key(SENDER, CAMPAIGN), "report_wait_ms", -1)
    await ledger.look_now()
    caps, marks = FrequencyCaps(ledger.redis), [Mark("919800000000", b"abcdef", 0)]
    await ledger.redis.zadd(f"{hash_tag(SENDER)}:recent_texts", {f"0badcafe:{CAMPAIGN}:1:1": 1})
    yield {
        "begin": lambda: ledger.submissions.begin(CampaignId("a-third1"), plan(), batch_size=3),
        "add_batch": lambda: ledger.submissions.add_batch(OTHER, SENDER, 1, recipients(3, 3)),
        "seal": lambda: ledger.submissions.seal(OTHER, SENDER, total=3, batches=1),
        "issue": lambda: ledger.work.issue(SENDER),
        "take": lambda: ledger.work.take(third),
        "renew": lambda: ledger.work.renew(SENDER, [lease]),
        "open_block": lambda: ledger.ask(lease),
        "record": lambda: ledger.record(lease, block, b"a"),
        "next_hours": lambda: ledger.repair.set_next_hours(SENDER, BY_DAY, opens_ms=1, closes_ms=YEAR_2100_MS),
        "release": lambda: ledger.work.release(lease),
        "expire_leases": lambda: ledger.repair.expire_leases(SENDER),
        "apply_reports": lambda: ledger.report("delivered"),
        "control": lambda: ledger.control.campaign(SENDER, CAMPAIGN, "pause"),
        "settle_overdue": lambda: ledger.repair.settle_overdue(SENDER),
        "check_frequency": lambda: caps.check(lease, block.number, LIMIT, "Hi", marks),
        "undo_admission": lambda: caps.undo(lease, "operation", LIMIT, "Hi", marks),
        "drop_recent_texts": lambda: ledger.repair.drop_recent_texts(SENDER),
        "end_pending": lambda: Script(ledger.redis, "end_pending")(
            SENDER, campaign=CANCELLED, first=0, max_batches=10, state="x"
        ),
    }
    await ledger.redis.config_set("maxmemory", 0)


ONLY_READ = {"contain_optouts", "pending_chores"}
ONLY_FREE = {"drop_recent_texts", "undo_admission"}
MAY_NEED_MEMORY = sorted(set(script_names()) - ONLY_READ - ONLY_FREE)


@pytest.mark.parametrize("name", MAY_NEED_MEMORY)
async def test_a_script_that_is_refused_memory_has_done_nothing(
    ledger: Ledger, in_the_middle: dict[str, Callable[[], Awaitable[object]]], name: str
) -> None:
    before = await ledger.dump()
    await ledger.redis.config_set("maxmemory", 1)
    with pytest.raises(OutOfMemoryError):
        await in_the_middle[name]()
    assert await ledger.dump() == before
    await ledger.redis.config_set("maxmemory", 0)
    await in_the_middle[name]()
    assert await ledger.dump() != before


@pytest.mark.parametrize("name", sorted(ONLY_FREE))
async def test_a_script_that_only_frees_runs_when_memory_is_refused(
    ledger: Ledger, in_the_middle: dict[str, Callable[[], Awaitable[object]]], name: str
) -> None:
    before = await ledger.dump()
    await ledger.redis.config_set("maxmemory", 1)
    await in_the_middle[name]()
    assert await ledger.dump() != before
