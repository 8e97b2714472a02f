import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.batch.capacity import Capacity, CapacityShare

SHARE = CapacityShare()


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_than_asked_for_are_taken_and_no_more_than_there_are() -> None:
    capacity = Capacity(5)
    assert await capacity.take(3, share=SHARE) == 3
    assert await capacity.take(3, share=SHARE) == 2
    assert capacity.free == 0


async def test_waiters_are_served_in_the_order_in_which_they_asked() -> None:
    capacity = Capacity(1)
    await capacity.take(1, share=SHARE)
    served: list[int] = []

    async def ask(name: int) -> None:
        await capacity.take(1, share=SHARE)
        served.append(name)

    asking = [asyncio.create_task(ask(name)) for name in range(4)]
    await _settle()
    for _ in asking:
        capacity.release(1, share=SHARE)
        await _settle()
    assert served == [0, 1, 2, 3]


async def test_a_taker_that_gives_a_permit_back_and_asks_again_is_served_after_those_who_wait() -> None:
    capacity = Capacity(1)
    await capacity.take(1, share=SHARE)
    waiting = asyncio.create_task(capacity.take(1, share=SHARE))
    await _settle()

    async def give_back_and_ask_again() -> None:
        capacity.release(1, share=SHARE)
        await capacity.take(1, share=SHARE)

    greedy = asyncio.create_task(give_back_and_ask_again())
    await _settle()
    assert waiting.done()
    assert not greedy.done()
    capacity.release(1, share=SHARE)
    await greedy


async def test_permits_that_one_waiter_leaves_go_to_the_next() -> None:
    capacity = Capacity(4)
    await capacity.take(4, share=SHARE)
    first, second = (
        asyncio.create_task(capacity.take(1, share=SHARE)),
        asyncio.create_task(capacity.take(9, share=SHARE)),
    )
    await _settle()
    capacity.release(4, share=SHARE)
    assert (await first, await second) == (1, 3)


@pytest.mark.parametrize("after_its_turn_came", [False, True])
async def test_a_waiter_that_is_cancelled_takes_no_permit_with_it(after_its_turn_came: bool) -> None:
    capacity = Capacity(1)
    await capacity.take(1, share=SHARE)
    cancelled, following = (
        asyncio.create_task(capacity.take(1, share=SHARE)),
        asyncio.create_task(capacity.take(1, share=SHARE)),
    )
    await _settle()
    if after_its_turn_came:
        capacity.release(1, share=SHARE)
        cancelled.cancel()
    else:
        cancelled.cancel()
        await _settle()
        capacity.release(1, share=SHARE)
    assert await following == 1
    assert cancelled.cancelled()


async def test_after_the_close_nobody_waits_and_nobody_gets_a_permit() -> None:
    capacity = Capacity(2)
    await capacity.take(2, share=SHARE)
    waiting = [asyncio.create_task(capacity.take(1, share=SHARE)) for _ in range(3)]
    await _settle()
    capacity.close()
    assert [await task for task in waiting] == [0, 0, 0]
    capacity.release(2, share=SHARE)
    assert await capacity.take(1, share=SHARE) == 0
    assert capacity.free == 2


@given(
    permits=st.integers(1, 5),
    steps=st.lists(st.tuples(st.sampled_from(["ask", "cancel", "give", "turn"]), st.integers(0, 6)), max_size=40),
)
def test_whatever_happens_no_permit_is_lost_or_made_and_the_order_holds(
    permits: int, steps: list[tuple[str, int]]
) -> None:
    async def story() -> None:
        capacity, held = Capacity(permits), [0]
        asked: list[asyncio.Task[None]] = []
        served: list[int] = []

        async def ask(name: int, max_permits: int) -> None:
            taken = await capacity.take(max_permits, share=SHARE)
            held[0] += taken
            served.append(name)

        for step, number in steps:
            if step == "ask":
                asked.append(asyncio.create_task(ask(len(asked), number + 1)))
            elif step == "cancel" and asked:
                asked[number % len(asked)].cancel()
            elif step == "give" and (back := min(number, held[0])):
                held[0] -= back
                capacity.release(back, share=SHARE)
            elif step == "turn":
                await asyncio.sleep(0)
            assert capacity.free >= 0
        while not all(task.done() for task in asked):
            await _settle()
            assert held[0] or all(task.done() for task in asked), "a batch waits while all permits are free"
            capacity.release(held[0], share=SHARE)
            held[0] = 0
        assert capacity.free + held[0] == permits
        assert served == sorted(served)

    asyncio.run(story())


async def test_urgent_batches_are_served_before_those_that_asked_earlier() -> None:
    capacity = Capacity(1)
    await capacity.take(1, share=SHARE)
    waiting = asyncio.create_task(capacity.take(1, share=SHARE))
    await _settle()
    urgent = asyncio.create_task(capacity.take(1, is_urgent=True, share=SHARE))
    await _settle()
    capacity.release(1, share=SHARE)
    await _settle()
    assert (urgent.done(), waiting.done()) == (True, False)
    capacity.release(1, is_urgent=True, share=SHARE)
    assert await waiting == 1


async def test_the_kept_permits_are_there_for_urgent_batches_whatever_the_others_hold() -> None:
    capacity = Capacity(10, kept=2)
    assert await capacity.take(20, share=SHARE) == 8
    waiting = asyncio.create_task(capacity.take(1, share=SHARE))
    await _settle()
    assert not waiting.done()
    assert await capacity.take(20, is_urgent=True, share=SHARE) == 2
    capacity.release(2, is_urgent=True, share=SHARE)
    await _settle()
    assert not waiting.done()
    capacity.release(8, share=SHARE)
    assert await waiting == 1
    assert await capacity.take(20, lookahead=6, share=SHARE) == 13
    assert await capacity.take(20, is_urgent=True, share=SHARE) == 2  # also if the others took more permits than exist


async def test_a_waiter_whose_permit_an_urgent_batch_took_waits_on() -> None:
    capacity = Capacity(1)
    await capacity.take(1, share=SHARE)
    waiting = asyncio.create_task(capacity.take(1, share=SHARE))
    await _settle()
    capacity.release(1, share=SHARE)  # the waiter is woken, and has not run yet
    assert await capacity.take(1, is_urgent=True, share=SHARE) == 1
    await _settle()
    assert not waiting.done()
    assert capacity.free == 0
    capacity.release(1, is_urgent=True, share=SHARE)
    assert await waiting == 1


async def test_the_first_to_ask_leaves_others_what_they_lack_of_an_equal_part() -> None:
    """A greedy share asks for all permits; each time, a modest share asks a moment later."""
    capacity, greedy, modest = Capacity(100), CapacityShare(), CapacityShare()
    assert await capacity.take(100, share=greedy) == 100
    capacity.release(10, share=greedy)
    assert await capacity.take(30, share=modest) == 10
    assert modest.lacks == 20
    capacity.release(50, share=greedy)
    assert await capacity.take(100, share=greedy) == 30, "20 permits are left"
    assert await capacity.take(30, share=modest) == 20
    capacity.release(10, share=greedy)
    assert await capacity.take(100, share=greedy) == 1, "the missing permits are not free, but the share need not wait"
    capacity.release(1, share=greedy)
    assert await capacity.take(100, share=modest) == 10
    modest.held, modest.lacks = 50, 50
    capacity.release(10, share=greedy)
    assert await capacity.take(100, share=greedy) == 10, "the other share has its equal part"


@pytest.mark.parametrize("returns", [True, False])
async def test_nobody_leaves_anything_to_a_share_that_lacks_nothing(*, returns: bool) -> None:
    capacity, greedy, other = Capacity(10), CapacityShare(), CapacityShare()
    await capacity.take(8, share=greedy)
    assert await capacity.take(5, share=other) == 2
    assert other.lacks == 3
    if returns:
        capacity.return_unused(1, share=other)
    else:
        capacity.lack_none(other)
    assert other.lacks == 0
    capacity.release(3, share=greedy)
    assert await capacity.take(10, share=greedy) == 3 + returns


async def test_a_share_takes_what_it_waited_for_also_while_others_lack_permits() -> None:
    capacity, greedy, other = Capacity(10), CapacityShare(), CapacityShare()
    await capacity.take(10, share=greedy)
    capacity.release(1, share=greedy)
    await capacity.take(5, share=other)
    waiting = asyncio.create_task(capacity.take(10, share=greedy))
    await _settle()
    capacity.release(1, share=greedy)
    assert await waiting == 1
