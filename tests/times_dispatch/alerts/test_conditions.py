"""Which conditions hold, in which words; no word is a phone number."""

import pytest
from redis.asyncio import Redis

from tests.kit.callbacks import ID_KEY, send_campaign
from tests.kit.ledger import PROVIDER, SENDER, Ledger
from tests.kit.processes_seen import let_run
from times_dispatch.alerts.conditions import Condition, conditions, events, foreign
from times_dispatch.alerts.observation import observe
from times_dispatch.ledger.alerts import AlertKind, Watched
from times_dispatch.ledger.heartbeats import ProcessKind
from times_dispatch.ledger.keys import ProviderField, SenderKey, provider_field, sender_key
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.provider.correlation_ids import CorrelationIds
from times_dispatch.settings.alerts import AlertSettings


async def holding(redis: Redis) -> list[Condition]:
    return conditions(await observe(redis, AlertSettings(), Watched()))


async def test_missing_workers_and_beat_are_conditions_until_they_run(redis: Redis) -> None:
    missing = await holding(redis)
    assert [condition.id for condition in missing] == ["no_worker:worker", "no_worker:beat"]
    assert missing[0].text.startswith("no worker has run yet: nothing is sent; start one: celery -A workers.app")
    await let_run(redis, ProcessKind.WORKER, ProcessKind.BEAT)
    assert await holding(redis) == []


@pytest.mark.usefixtures("all_run")
async def test_a_braked_campaign_is_a_condition_and_a_paused_one_is_none(ledger: Ledger) -> None:
    braked = await ledger.submit(campaign="braked00", name="sale for 98765 43210")
    paused = await ledger.submit(campaign="paused00")
    reason = "wrong price for +91-98765-43210"
    await ledger.control.campaign(SENDER, braked, ControlAction.BRAKE, reason=reason)
    await ledger.control.campaign(SENDER, paused, ControlAction.PAUSE, reason="lunch")
    (condition,) = await holding(ledger.redis)
    assert (condition.kind, condition.sender) == (AlertKind.BRAKED, SENDER)
    assert condition.text == (
        "campaign braked00 (sale for …) of sender TIMESM is braked: wrong price for …; "
        "when that is mended: dispatch resume braked00"
    )
    await ledger.control.campaign(SENDER, braked, ControlAction.RESUME)
    assert await holding(ledger.redis) == []


@pytest.mark.usefixtures("all_run")
async def test_a_braked_provider_is_a_condition_of_its_sender(ledger: Ledger) -> None:
    await ledger.submit()
    brake = provider_field(ProviderField.BRAKE, PROVIDER)
    await ledger.redis.hset(sender_key(SENDER, SenderKey.SENDER), brake, "insufficient balance (6001)")
    (condition,) = await holding(ledger.redis)
    assert condition.id == "braked:provider:TIMESM:times"
    assert condition.text == (
        "provider times is braked for sender TIMESM: insufficient balance (6001); "
        "when that is mended: dispatch sender resume TIMESM"
    )


async def test_a_finished_campaign_is_an_event_with_its_results(redis: Redis) -> None:
    before = await observe(redis, AlertSettings(), Watched())
    sent = await send_campaign(redis, CorrelationIds(ID_KEY.encode()), total=20)
    while not (happened := events(now := await observe(redis, AlertSettings(), before.watched))):
        before = now
    (event,) = happened
    assert event.kind is AlertKind.FINISHED
    assert event.text == (
        f"campaign {sent.campaign} (reports) of sender TIMESM is finished: 20 accepted, without a report yet"
    )


@pytest.fixture
async def all_run(redis: Redis) -> None:
    """Let a worker and beat run."""
    await let_run(redis, ProcessKind.WORKER, ProcessKind.BEAT)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("insufficient balance (6001)", "insufficient balance (6001)"),
        ("to 919876543210 failed", "to … failed"),
        ("+91 98765-43210", "…"),
        ("(987) 654 3210", "…"),
        ("123456", "123456"),
        ("1234567", "…"),
        ("a\x1b]0;b\nc", "a\\u001b]0;b\\nc"),
        ("x" * 300, "x" * 200),
    ],
)
def test_foreign_text_is_one_line_without_long_numbers(text: str, shown: str) -> None:
    assert foreign(text) == shown
