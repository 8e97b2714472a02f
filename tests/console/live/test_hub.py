"""Events for viewers: first all pieces, then the changed pieces; and the end of streams."""

import asyncio
from collections.abc import AsyncIterator

from redis.exceptions import ConnectionError as RedisConnectionError

from console.live.hub import KEEP_ALIVE_S, MAX_STREAMS, MAX_STREAMS_OF_USER, LiveHub
from console.live.subject import EVERY_S, WAKE_EVERY_S, Piece, Pieces
from tests.kit.clock import FakeClock

QUIET = "event: ledger\ndata: \n\n"
"""The event that a stream sends when nothing has changed for a while: a browser tells no script of an empty line."""


class Source:
    """Two figures, of which a test changes one."""

    def __init__(self) -> None:
        self.figures = {"done": 1, "failed": 0}
        self.readings = 0
        self.is_allowed = True
        self.error: Exception | None = None

    async def read(self) -> dict[str, int]:
        self.readings += 1
        if self.error:
            raise self.error
        return dict(self.figures)

    def render(self, figures: dict[str, int]) -> Pieces:
        return {name: Piece(str(number)) for name, number in figures.items()}

    def stream(self, hub: LiveHub) -> AsyncIterator[bytes]:
        return self.stream_of(hub, "vera")

    def stream_of(self, hub: LiveHub, user: str) -> AsyncIterator[bytes]:
        return hub.events(
            "now", self.read, user=user, kind="viewer", render=self.render, is_allowed=lambda: self.is_allowed
        )


async def _next(stream: AsyncIterator[bytes], clock: FakeClock) -> str:
    waiting = asyncio.ensure_future(anext(stream))
    for _ in range(50):
        await asyncio.sleep(0)
        if waiting.done():
            break
        await clock.advance(EVERY_S)
    return (await waiting).decode()


async def _is_over(stream: AsyncIterator[bytes], clock: FakeClock) -> bool:
    try:
        for _ in range(5):
            await _next(stream, clock)
    except StopAsyncIteration:
        return True
    return False


async def test_the_first_message_has_every_piece_and_the_next_what_changed() -> None:
    clock = FakeClock()
    hub, source = LiveHub(clock=clock), Source()
    stream = source.stream(hub)
    first = await _next(stream, clock)
    assert first == "event: done\ndata: 1\n\nevent: failed\ndata: 0\n\nevent: ledger\ndata: \n\n"
    assert hub.viewers == 1
    source.figures["done"] = 2
    while (message := await _next(stream, clock)) == QUIET:
        continue
    assert message == "event: done\ndata: 2\n\n"
    await stream.aclose()  # type: ignore[attr-defined]
    assert hub.viewers == 0


async def test_one_person_and_all_people_have_so_many_streams_and_a_stream_that_ends_makes_room() -> None:
    clock = FakeClock()
    hub, source = LiveHub(clock=clock), Source()
    streams = [source.stream_of(hub, "vera") for _ in range(MAX_STREAMS_OF_USER)]
    for stream in streams:
        await _next(stream, clock)
    assert not hub.has_room("vera")
    assert await _is_over(source.stream_of(hub, "vera"), clock)
    others = [source.stream_of(hub, f"viewer {number}") for number in range(MAX_STREAMS - MAX_STREAMS_OF_USER)]
    for stream in others:
        await _next(stream, clock)
    assert not hub.has_room("olga")
    assert await _is_over(source.stream_of(hub, "olga"), clock)
    await streams[0].aclose()  # type: ignore[attr-defined]
    assert hub.has_room("olga")
    assert hub.has_room("vera")
    for stream in [*streams, *others]:
        await stream.aclose()  # type: ignore[attr-defined]
    assert hub.viewers == 0


async def test_a_hundred_viewers_cost_the_ledger_what_one_viewer_costs() -> None:
    clock = FakeClock()
    hub, source = LiveHub(clock=clock), Source()
    streams = [source.stream(hub) for _ in range(100)]
    await asyncio.gather(*(anext(stream) for stream in streams))
    assert (hub.viewers, source.readings) == (100, 1)
    for stream in streams:
        await stream.aclose()  # type: ignore[attr-defined]


async def test_a_stream_ends_when_its_user_may_not_look_any_more() -> None:
    clock = FakeClock()
    hub, source = LiveHub(clock=clock), Source()
    stream = source.stream(hub)
    await _next(stream, clock)
    source.is_allowed = False
    assert await _is_over(stream, clock)
    assert hub.viewers == 0


async def test_the_stop_of_the_process_ends_all_streams() -> None:
    clock = FakeClock()
    hub, source = LiveHub(clock=clock), Source()
    stream = source.stream(hub)
    await _next(stream, clock)
    stop = asyncio.Event()
    running = asyncio.create_task(hub.run(stop))
    stop.set()
    await running
    assert await _is_over(stream, clock)
    assert await _is_over(source.stream(hub), clock)


async def test_a_quiet_subject_still_sends_something_that_a_page_notices() -> None:
    clock = FakeClock()
    hub, source = LiveHub(clock=clock), Source()
    stream = source.stream(hub)
    await _next(stream, clock)
    assert await _next(stream, clock) == QUIET
    await stream.aclose()  # type: ignore[attr-defined]


async def test_nothing_is_sent_between_two_signs_of_life_while_nothing_changes() -> None:
    clock, passes_s = FakeClock(), 30.0
    hub, source = LiveHub(clock=clock), Source()
    stream, messages = source.stream(hub), list[bytes]()

    async def follow() -> None:
        async for message in stream:
            messages.append(message)

    following = asyncio.create_task(follow())
    for _ in range(round(passes_s / 0.1)):
        await asyncio.sleep(0)
        await clock.advance(0.1)
    following.cancel()
    assert source.readings > 50
    assert passes_s / (KEEP_ALIVE_S + WAKE_EVERY_S) <= len(messages) <= 1 + passes_s / KEEP_ALIVE_S
    assert {message.decode() for message in messages[1:]} == {QUIET}


async def test_a_page_is_told_once_that_the_ledger_does_not_answer_and_then_gets_signs_of_life() -> None:
    clock = FakeClock()
    hub, source = LiveHub(clock=clock), Source()
    stream = source.stream(hub)
    await _next(stream, clock)
    source.error = RedisConnectionError()
    notice = await _next(stream, clock)
    assert "event: ledger\ndata: <p" in notice
    before = clock.monotonic()
    assert await _next(stream, clock) == notice
    assert clock.monotonic() - before >= KEEP_ALIVE_S - EVERY_S
    source.error = None
    assert await _next(stream, clock) == QUIET
    await stream.aclose()  # type: ignore[attr-defined]
