"""The events of one file in each turn; ``tests/hostile/test_flower_strangers.py`` attacks the whole server."""

import selectors
import socket

from times_dispatch.broker.flower_server import OneEventSelector


def test_files_that_are_ready_at_one_moment_take_turns() -> None:
    pairs = [socket.socketpair() for _ in range(3)]
    with OneEventSelector() as selector:
        for reading, writing in pairs:
            selector.register(reading, selectors.EVENT_READ)
            writing.send(b"a")
        turns = [selector.select(0) for _ in range(3)]
        assert [len(events) for events in turns] == [1, 1, 1]
        assert {events[0][0].fileobj for events in turns} == {reading for reading, _ in pairs}
        assert len(selector.select(0)) == 1  # nothing was read
    for pair in pairs:
        for end in pair:
            end.close()


def test_a_file_that_was_closed_meanwhile_has_no_turn() -> None:
    pairs = [socket.socketpair() for _ in range(2)]
    with OneEventSelector() as selector:
        for reading, writing in pairs:
            selector.register(reading, selectors.EVENT_READ)
            writing.send(b"a")
        [(first, _)] = selector.select(0)
        for reading, _ in pairs:
            if reading is not first.fileobj:
                selector.unregister(reading)
        turns = [selector.select(0) for _ in range(2)]
        assert [key.fileobj for events in turns for key, _ in events] == [first.fileobj]
    for pair in pairs:
        for end in pair:
            end.close()
