from typing import Any

import pytest
from redis.crc import key_slot

from times_dispatch.ledger.cluster.errors import SlotsMixed
from times_dispatch.ledger.cluster.routes import may_follow_ask, may_follow_ask_together, slot_of

TIMESM = key_slot(b"TIMESM")


@pytest.mark.parametrize(
    "command",
    [
        ("HGETALL", "{TIMESM}:sender"),
        ("GET", b"{TIMESM}:c:diwali01"),
        ("EVALSHA", "abc", 1, "{TIMESM}", "{OTHER}:not:a:key"),
        ("EVAL", "return 1", "1", "{TIMESM}"),
        ("MGET", "{TIMESM}:c:a:p:0", "{TIMESM}:c:a:m:0"),
        ("XREADGROUP", "GROUP", "g", "c", b"COUNT", "5", b"STREAMS", "TIMESM", ">"),
        ("XGROUP CREATE", "TIMESM", "g", "0"),
        ("MEMORY USAGE", "{TIMESM}:trail"),
        ("SCAN", 0, "MATCH", "{TIMESM}:n:*", "COUNT", 10),
    ],
)
def test_the_keys_of_a_command_name_its_slot(command: tuple[Any, ...]) -> None:
    assert slot_of(command) == TIMESM


@pytest.mark.parametrize("command", [("PING",), ("WAIT", 1, 100), ("TIME",), ("CLIENT SETNAME", "x"), ("SCAN", 0)])
def test_a_command_without_a_key_needs_no_slot(command: tuple[Any, ...]) -> None:
    assert slot_of(command) is None


def test_a_command_with_keys_of_two_slots_is_a_mistake() -> None:
    with pytest.raises(SlotsMixed):
        slot_of(("MGET", "{TIMESM}:a", "{OTHER}:a"))


def test_a_command_with_one_key_follows_a_slot_that_is_moved_key_by_key() -> None:
    assert may_follow_ask(("SET", "{a}:1", 1))
    assert not may_follow_ask(("EVALSHA", "abc", 1, "{a}"))
    assert not may_follow_ask(("MGET", "{a}:1", "{a}:2"))


def test_a_transaction_follows_such_a_slot_only_if_it_has_one_key() -> None:
    assert may_follow_ask_together([("XACK", "reports", "g", 1), ("XDEL", "reports", 1)])
    assert not may_follow_ask_together([("SET", "{a}:1", 1), ("SET", "{a}:2", 1)])
    assert not may_follow_ask_together([("EVALSHA", "abc", 1, "{a}")])
