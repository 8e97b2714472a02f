"""Every script is loaded again when Redis has forgotten it, and changes nothing when it is refused memory."""

from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import resources

import pytest
from redis.exceptions import OutOfMemoryError

from tests.kit.ledger import CAMPAIGN, SENDER, YEAR_2100_MS, Ledger, plan, recipients
from times_dispatch.ledger.frequency_cap import FrequencyCaps, FrequencyLimit, Mark
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.scripts import Script, campaign_key, tag, text

OTHER, CANCELLED, WAITING, BY_DAY = map(CampaignId, ("another1", "cancel01", "waiting1", "by-day01"))


@pytest.mark.parametrize(("value", "as_text"), [(b"TIMESM", "TIMESM"), (7, "7"), ("text", "text")])
def test_what_redis_replies_is_read_as_text(value: object, as_text: str) -> None:
    assert text(value) == as_text


def test_the_keys_of_a_sender_begin_with_its_hash_tag() -> None:
    assert tag(SENDER) == "{TIMESM}"
    assert campaign_key(SENDER, CAMPAIGN) == "{TIMESM}:c:diwali01"


async def test_a_server_that_forgot_the_scripts_gets_them_again(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.redis.script_flush()
    await ledger.send_all()
    assert await ledger.states() == "aaa"


@pytest.fixture
async def in_the_middle(ledger: Ledger) -> AsyncIterator[dict[str, Callable[[], Awaitable[object]]]]:
    """A call of each script, on a ledger in which every script changes something."""
    await ledger.submit(12)
    await ledger.submit(3, campaign=CANCELLED)
    await ledger.control.campaign(SENDER, CANCELLED, "cancel")
    first, second, third, _ = await ledger.issue()
    await ledger.submit(3, campaign=OTHER, sealed=False)
    await ledger.submit(3, campaign=WAITING)
    await ledger.submit(3, campaign=BY_DAY, send_from_min=600, send_until_min=1260)
    await ledger.leases.release(await ledger.push(b"iai", await ledger.take(first)))
    lease = await ledger.take(second)
    block = await ledger.open(lease, most=2)
    await ledger.expire_leases(second, third)
    await ledger.redis.hset(campaign_key(SENDER, CAMPAIGN), "report_wait_ms", -1)
    await ledger.make_all_due()
    frequency_caps, marks = FrequencyCaps(ledger.redis), [Mark("919800000000", b"abcdef", 0)]
    await ledger.redis.zadd(f"{tag(SENDER)}:said", {f"0badcafe:{CAMPAIGN}:1:1": 1})
    yield {
        "begin": lambda: ledger.submissions.begin(CampaignId("a-third1"), plan(), batch_size=3),
        "add_batch": lambda: ledger.submissions.add_batch(OTHER, SENDER, 1, recipients(3, 3)),
        "seal": lambda: ledger.submissions.seal(OTHER, SENDER, total=3, batches=1),
        "issue": lambda: ledger.leases.issue(SENDER),
        "take": lambda: ledger.leases.take(third),
        "renew": lambda: ledger.leases.renew(SENDER, [lease]),
        "open_block": lambda: ledger.open_block(lease),
        "record": lambda: ledger.record(lease, block, b"a"),
        "reopen": lambda: ledger.maintenance.reopen(SENDER, BY_DAY, opens_ms=1, closes_ms=YEAR_2100_MS),
        "release": lambda: ledger.leases.release(lease),
        "lapse": lambda: ledger.maintenance.lapse(SENDER),
        "apply_reports": lambda: ledger.report("delivered"),
        "control": lambda: ledger.control.campaign(SENDER, CAMPAIGN, "pause"),
        "settle": lambda: ledger.maintenance.settle(SENDER),
        "admit": lambda: frequency_caps.admit(lease, block.number, FrequencyLimit(1800, 2, 60), "Hi", marks),
        "take_back": lambda: frequency_caps.take_back(lease, "operation", FrequencyLimit(1800, 2, 60), "Hi", marks),
        "forget": lambda: ledger.maintenance.forget(SENDER),
        "sweep": lambda: Script(ledger.redis, "sweep")(SENDER, CANCELLED, 0, 10, "x"),
    }
    await ledger.redis.config_set("maxmemory", 0)


READ_ONLY = {"contain_optouts.lua", "chores.lua"}
SCRIPTS = sorted(
    file.name.removesuffix(".lua")
    for file in (resources.files("times_dispatch.ledger") / "lua").iterdir()
    if file.name.endswith(".lua") and file.name not in {"prelude.lua", *READ_ONLY}
)


@pytest.mark.parametrize("name", SCRIPTS)
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
