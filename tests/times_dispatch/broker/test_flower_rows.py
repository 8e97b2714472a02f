"""Flower's row per campaign, as Celery's own event receiver sees it over a real broker."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery.events import EventDispatcher
from kombu import pools
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from tests.kit.clock import FakeClock
from tests.kit.flower import Flower
from times_dispatch.broker.app import campaign_row, celery_app
from times_dispatch.broker.flower_rows import FlowerRows, RateMeter
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.model import CampaignId, CampaignView, Plan, SenderId
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.settings.model import Settings

CAMPAIGN = CampaignId("diwali01")
WORKER = "worker.1@host"
TEXT = "Dear {#var#}, your order is on its way"


def _view(accepted: int = 0, *, total: int = 60_000, **changes: Any) -> CampaignView:
    plan = Plan(
        name="diwali-sale",
        sender=SenderId("TIMESM"),
        provider="times",
        template="greeting",
        content_id="1107160000000000001",
        text=TEXT,
        category="service",
        valid_until_ms=4_102_444_800_000,
    )
    counts = dict.fromkeys(MessageState, 0)
    counts |= {MessageState.ACCEPTED: accepted, MessageState.PENDING: total - accepted}
    fields: dict[str, Any] = {
        "id": CAMPAIGN,
        "state": CampaignState.RUNNING,
        "reason": "",
        "plan": plan,
        "total": total,
        "batches": 200,
        "counts": counts,
        "codes": {},
        "parts": accepted,
        "stats": {},
        "created_ms": 1_000,
        "sealed_ms": 1_000,
        "first_sent_ms": 0,
        "last_sent_ms": 0,
        "finished_ms": 0,
    }
    return CampaignView(**{**fields, **changes})


def _rows(app: Celery, clock: Clock = SYSTEM_CLOCK) -> FlowerRows:
    return FlowerRows(app, worker=WORKER, clock=clock)


class TestRateMeter:
    def test_at_first_it_is_the_rate_since_the_first_push(self) -> None:
        view = _view(1_000, first_sent_ms=10_000, last_sent_ms=14_000)
        assert RateMeter().rate_per_s(view, now=50.0) == 250

    def test_a_campaign_that_has_hardly_begun_has_no_rate_yet(self) -> None:
        assert RateMeter().rate_per_s(_view(1, first_sent_ms=10_000, last_sent_ms=10_000), now=50.0) == 0
        assert RateMeter().rate_per_s(_view(50, first_sent_ms=10_000, last_sent_ms=10_900), now=50.0) == 0

    def test_then_it_is_the_rate_since_the_last_look(self) -> None:
        meter = RateMeter()
        meter.rate_per_s(_view(1_000), now=50.0)
        assert meter.rate_per_s(_view(1_800), now=51.0) == 800
        assert meter.rate_per_s(_view(1_900), now=53.0) == 50

    def test_a_look_that_comes_too_soon_repeats_the_rate_and_loses_nothing(self) -> None:
        meter = RateMeter()
        meter.rate_per_s(_view(0), now=50.0)
        meter.rate_per_s(_view(100), now=51.0)
        assert meter.rate_per_s(_view(150), now=51.5) == 100
        assert meter.rate_per_s(_view(300), now=52.0) == 200

    def test_a_campaign_that_has_more_to_send_again_is_not_running_backwards(self) -> None:
        meter = RateMeter()
        meter.rate_per_s(_view(100), now=50.0)
        assert meter.rate_per_s(_view(40), now=51.0) == 0

    def test_campaigns_have_rates_of_their_own_and_old_ones_are_forgotten(self) -> None:
        meter = RateMeter(max_campaigns=2)
        for name in ("a", "b", "c"):
            meter.rate_per_s(_view(0, id=CampaignId(name)), now=50.0)
        assert meter.rate_per_s(_view(7, id=CampaignId("c")), now=51.0) == 7
        assert meter.rate_per_s(_view(7, id=CampaignId("a")), now=51.0) == 0


@pytest.fixture
def app(redis_url: str) -> Iterator[Celery]:
    made = celery_app(Settings(redis_url=redis_url, broker_url=redis_url))
    yield made
    pools.reset()
    made.close()


@pytest.fixture
def flower(app: Celery) -> Iterator[Flower]:
    listening = Flower(app)
    yield listening
    listening.close()


BEGIN = ["task-received", "task-started", "task-retried"]


def _types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def test_a_running_campaign_is_one_row_that_says_how_far_it_is(app: Celery, flower: Flower) -> None:
    rows = _rows(app)
    rows.show([_view(30_000, first_sent_ms=1_000, last_sent_ms=38_500)])
    events = flower.receive(4)
    assert _types(events) == [*BEGIN, "task-progress"]
    assert {event["uuid"] for event in events} == {campaign_row(CAMPAIGN)}
    assert flower.row.name == "campaign"
    assert flower.row.state == "PROGRESS"
    assert flower.row.args == "diwali-sale diwali01 TIMESM"
    assert flower.row.result == "running · 50 % · 800/s · 38 s left · 30,000 of 60,000 sent"


def test_the_row_belongs_to_the_worker_that_sent_it_and_makes_no_other_worker(app: Celery, flower: Flower) -> None:
    _rows(app).show([_view(1), _view(60_000, state=CampaignState.FINISHED, id=CampaignId("holi0001"))])
    assert {event["hostname"] for event in flower.receive(8)} == {WORKER}
    assert list(flower.state.workers) == [WORKER]


def test_the_row_moves_on_and_stays_one_row(app: Celery, flower: Flower) -> None:
    rows = _rows(app)
    texts = []
    for accepted in (0, 20_000, 40_000):
        rows.show([_view(accepted)])
        flower.receive(1 if accepted else 4)
        texts.append(flower.row.result)
    assert texts == [
        "running · 0 % · 0 of 60,000 sent",
        "running · 33 % · 20,000 of 60,000 sent",
        "running · 66 % · 40,000 of 60,000 sent",
    ]
    assert len(flower.state.tasks) == 1
    assert flower.row.state == "PROGRESS"


async def test_a_row_is_begun_again_from_time_to_time_for_a_flower_that_was_restarted(
    app: Celery, flower: Flower
) -> None:
    clock = FakeClock()
    rows = _rows(app, clock=clock)
    rows.show([_view(1)])
    rows.show([_view(2)])
    assert len(flower.receive(5)) == 5
    await clock.advance(9.9)
    rows.show([_view(3)])
    assert len(flower.receive(1)) == 1
    await clock.advance(0.1)
    rows.show([_view(3)])
    assert _types(flower.receive(4)) == [*BEGIN, "task-progress"]


def test_a_finished_campaign_succeeds_with_the_time_that_it_took(app: Celery, flower: Flower) -> None:
    _rows(app).show(
        [_view(60_000, state=CampaignState.FINISHED, first_sent_ms=10_000, last_sent_ms=84_000, finished_ms=85_000)]
    )
    flower.receive(4)
    assert (flower.row.state, flower.row.runtime) == ("SUCCESS", 75.0)
    assert flower.row.result == "finished · 100 % · 60,000 of 60,000 sent"


def test_a_campaign_that_finished_before_its_first_push_took_no_time(app: Celery, flower: Flower) -> None:
    _rows(app).show([_view(0, state=CampaignState.FINISHED, total=0)])
    flower.receive(4)
    assert flower.row.runtime == 0


LIFE = {
    CampaignState.PAUSED: "PAUSED",
    CampaignState.RUNNING: "PROGRESS",
    CampaignState.BRAKED: "BRAKED",
    CampaignState.FINISHED: "SUCCESS",
    CampaignState.CANCELLED: "REVOKED",
}


@pytest.mark.parametrize("first", LIFE)
@pytest.mark.parametrize("second", LIFE)
def test_a_row_shows_the_latest_state_whatever_it_showed_before(
    app: Celery, flower: Flower, first: CampaignState, second: CampaignState
) -> None:
    rows = _rows(app)
    rows.show([_view(5, state=first)])
    flower.receive(4)
    assert flower.row.state == LIFE[first]
    rows.show([_view(5, state=second)])
    flower.receive(1 if first == second else 2)
    assert flower.row.state == LIFE[second]


def test_a_worker_that_has_not_shown_the_campaign_before_shows_its_state_too(app: Celery, flower: Flower) -> None:
    _rows(app).show([_view(5, state=CampaignState.FINISHED)])
    _rows(app).show([_view(5, state=CampaignState.CANCELLED)])
    flower.receive(8)
    assert flower.row.state == "REVOKED"


def test_a_campaign_most_of_whose_messages_failed_is_a_failure(app: Celery, flower: Flower) -> None:
    counts = dict.fromkeys(MessageState, 0) | {MessageState.REJECTED: 31_000, MessageState.DELIVERED: 29_000}
    _rows(app).show([_view(state=CampaignState.FINISHED, counts=counts)])
    flower.receive(4)
    assert flower.row.state == "FAILURE"


def test_the_row_says_why_a_campaign_stopped(app: Celery, flower: Flower) -> None:
    _rows(app).show([_view(5, state=CampaignState.BRAKED, reason="authentication failure (2070)")])
    flower.receive(4)
    assert (flower.row.state, flower.row.result[:40]) == ("BRAKED", "braked: authentication failure (2… · 0 %")


def test_reports_that_come_after_the_end_still_move_the_text_and_are_no_second_end(app: Celery, flower: Flower) -> None:
    rows = _rows(app)
    rows.show([_view(60_000, state=CampaignState.FINISHED)])
    delivered = dict.fromkeys(MessageState, 0) | {MessageState.DELIVERED: 59_000, MessageState.FAILED: 1_000}
    rows.show([_view(60_000, state=CampaignState.FINISHED, counts=delivered)])
    assert _types(flower.receive(5)) == [*BEGIN, "task-succeeded", "task-progress"]
    assert flower.row.state == "SUCCESS"
    assert flower.row.result == "finished · 100 % · 60,000 of 60,000 sent · 1,000 failed · 59,000 delivered"


def test_every_campaign_has_a_row_of_its_own(app: Celery, flower: Flower) -> None:
    _rows(app).show([_view(1), _view(2, id=CampaignId("holi0001"))])
    flower.receive(8)
    assert set(flower.state.tasks) == {campaign_row(CAMPAIGN), campaign_row(CampaignId("holi0001"))}


def test_nothing_to_show_needs_no_broker(unused_tcp_port: int) -> None:
    url = f"redis://127.0.0.1:{unused_tcp_port}/0"
    _rows(celery_app(Settings(redis_url=url, broker_url=url))).show([])


def test_a_broker_that_is_away_is_an_error_without_its_password(unused_tcp_port: int) -> None:
    url = f"redis://:swordfish@127.0.0.1:{unused_tcp_port}/0"
    with pytest.raises((KombuError, OSError, RedisError)) as away:
        _rows(celery_app(Settings(redis_url=url, broker_url=url))).show([_view(1)])
    assert "swordfish" not in str(away.value)


def test_no_event_holds_the_text_a_number_or_a_credential(app: Celery, flower: Flower, redis_url: str) -> None:
    rows = _rows(app)
    rows.show([_view(5)])
    rows.show([_view(60_000, state=CampaignState.FINISHED)])
    events = str(flower.receive(6))
    for secret in (TEXT, "Dear", "1107160000000000001", redis_url):
        assert secret not in events


def test_an_end_that_was_lost_with_the_connection_is_shown_the_next_time(
    app: Celery, flower: Flower, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = _rows(app)
    rows.show([_view(30_000)])
    flower.receive(4)
    finished = _view(60_000, state=CampaignState.FINISHED, finished_ms=9_000)

    def lose(_: EventDispatcher) -> None:
        raise ConnectionResetError("the connection is lost")

    with monkeypatch.context() as patched:
        patched.setattr(EventDispatcher, "flush", lose)
        with pytest.raises((OSError, KombuError)):
            rows.show([finished])
    rows.show([finished])
    flower.receive(2)
    assert flower.row.state == "SUCCESS"
