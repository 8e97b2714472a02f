"""A subject is read while it has viewers, and rendered once for all viewers of one kind."""

import asyncio
from itertools import pairwise

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from console.live.subject import EVERY_S, WAKE_EVERY_S, Piece, Pieces, Subject, event
from tests.kit.clock import FakeClock
from times_dispatch.ledger.errors import CampaignUnknown
from times_dispatch.ledger.model import CampaignId


class Source:
    """A source that counts its readings, and fails if the test says so."""

    def __init__(self) -> None:
        self.readings = 0
        self.error: Exception | None = None

    async def read(self) -> int:
        self.readings += 1
        if self.error:
            raise self.error
        return self.readings


async def _some_time(clock: FakeClock, readings: int) -> None:
    for _ in range(readings):
        await asyncio.sleep(0)
        await clock.advance(EVERY_S)


async def test_a_subject_is_read_only_while_somebody_looks() -> None:
    source, clock = Source(), FakeClock()
    subject = Subject(source.read, clock=clock)
    await _some_time(clock, 3)
    assert source.readings == 0
    subject.enter()
    subject.enter()
    await _some_time(clock, 3)
    assert 3 <= source.readings <= 4  # two viewers share each reading
    subject.leave()
    subject.leave()
    before = source.readings
    await _some_time(clock, 3)
    assert source.readings == before


async def test_viewers_of_one_kind_share_what_was_rendered_and_get_only_what_changed() -> None:
    clock, figures, rendered = FakeClock(), {"done": 1, "failed": 0}, list[dict[str, int]]()

    async def read() -> dict[str, int]:
        return dict(figures)

    def render(value: dict[str, int]) -> Pieces:
        rendered.append(value)
        return {name: Piece(str(number)) for name, number in value.items()}

    subject = Subject(read, clock=clock)
    subject.enter()
    await _some_time(clock, 1)
    first, after = subject.message("viewer", render, after=0), subject.number
    assert first == b"event: done\ndata: 1\n\nevent: failed\ndata: 0\n\nevent: ledger\ndata: \n\n"
    assert subject.message("viewer", render, after=0) is first
    subject.message("operator", render, after=0)
    assert len(rendered) == 2
    figures["done"] = 2
    await _some_time(clock, 1)
    change = subject.message("viewer", render, after=after)
    assert change == b"event: done\ndata: 2\n\n"
    assert subject.message("viewer", render, after=after) is change
    now = subject.number
    await _some_time(clock, 2)
    assert subject.number == now  # nothing changed
    figures["failed"] = 3
    await _some_time(clock, 1)
    both = subject.message("viewer", render, after=after)  # for a viewer who missed the first change
    assert both == change + b"event: failed\ndata: 3\n\n"
    assert subject.message("viewer", render, after=0) == both + b"event: ledger\ndata: \n\n"
    subject.leave()


async def test_a_piece_whose_version_stays_is_not_sent_again_and_is_new_for_a_new_viewer() -> None:
    clock, source = FakeClock(), Source()
    subject = Subject(source.read, clock=clock)
    subject.enter()
    await _some_time(clock, 1)

    def render(value: int) -> Pieces:
        return {"list": Piece(f"cards of {value}", version="the same cards")}

    assert f"cards of {source.readings}".encode() in subject.message("viewer", render, after=0)
    after = subject.number
    await _some_time(clock, 1)
    assert subject.message("viewer", render, after=after) == b""
    assert f"cards of {source.readings}".encode() in subject.message("viewer", render, after=0)
    subject.leave()


async def test_an_error_of_the_program_ends_the_subject_so_that_no_page_looks_alive() -> None:
    source, clock = Source(), FakeClock()
    source.error = TypeError("a mistake")
    subject = Subject(source.read, clock=clock)
    subject.enter()
    [reader, _] = subject._tasks
    with pytest.raises(TypeError):
        await reader
    assert subject.is_over
    subject.leave()


async def test_viewers_are_woken_while_a_reading_hangs() -> None:
    clock = FakeClock()
    subject = Subject(asyncio.Event().wait, clock=clock)
    subject.enter()
    waiting = asyncio.create_task(subject.wait())
    await asyncio.sleep(0)
    await clock.advance(WAKE_EVERY_S)
    async with asyncio.timeout(120):
        await waiting
    assert subject.number == 0
    subject.leave()


async def test_an_unavailable_ledger_keeps_the_last_value_and_is_read_again() -> None:
    source, clock = Source(), FakeClock()
    subject = Subject(source.read, clock=clock)
    subject.enter()
    await _some_time(clock, 1)
    source.error = RedisConnectionError()
    await _some_time(clock, 2)
    assert (subject.is_unavailable, subject.value) == (True, subject.value)
    assert subject.value is not None
    source.error = None
    await _some_time(clock, 2)
    assert not subject.is_unavailable
    subject.leave()


async def test_a_campaign_that_is_gone_ends_its_subject() -> None:
    source, clock = Source(), FakeClock()
    source.error = CampaignUnknown(CampaignId("abcdefgh"))
    subject = Subject(source.read, clock=clock)
    subject.enter()
    async with asyncio.timeout(120):
        await subject.wait()
    assert subject.is_over
    subject.leave()


def test_each_line_of_an_event_is_a_line_of_data() -> None:
    assert event("done", "a\nb\n") == b"event: done\ndata: a\ndata: b\n\n"
    assert event("done", "") == b"event: done\ndata: \n\n"


async def test_a_slow_reading_is_followed_by_a_rest_of_the_same_length() -> None:
    clock, began = FakeClock(), list[float]()

    async def read() -> int:
        began.append(clock.monotonic())
        await clock.sleep(3.0)
        return len(began)

    subject = Subject(read, clock=clock)
    subject.enter()
    for _ in range(70):
        await asyncio.sleep(0)
        await clock.advance(0.1)
    subject.leave()
    assert [round(later - earlier, 1) for earlier, later in pairwise(began)] == [6.0]
