from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis
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
        ("SCAN", 0, b"MATCH", "{TIMESM}:n:*", b"COUNT", 10),
    ],
)
def test_the_keys_of_a_command_name_its_slot(command: tuple[Any, ...]) -> None:
    assert slot_of(command) == TIMESM


@pytest.mark.parametrize(
    "call",
    [
        lambda redis: redis.scan(0, match="{TIMESM}:n:*", count=10),
        lambda redis: redis.hscan("TIMESM", match="{OTHER}", count=10),
        lambda redis: redis.xread({"TIMESM": "0"}, count=1, block=1),
        lambda redis: redis.xreadgroup("g", "c", {"TIMESM": ">"}, count=1, block=1, noack=True),
        lambda redis: redis.set("TIMESM", "x", ex=1, nx=True),
        lambda redis: redis.zadd("TIMESM", {"{OTHER}": 1}, gt=True),
        lambda redis: redis.zrange("TIMESM", 0, 1, byscore=True, withscores=True, offset=0, num=1),
        lambda redis: redis.mget("{TIMESM}:a", "{TIMESM}:b"),
        lambda redis: redis.delete("{TIMESM}:a", "{TIMESM}:b"),
        lambda redis: redis.eval("return 1", 1, "TIMESM", "{OTHER}"),
        lambda redis: redis.xautoclaim("TIMESM", "g", "c", 1),
        lambda redis: redis.memory_usage("TIMESM"),
    ],
)
def test_commands_are_understood_as_redis_py_writes_them(call: Callable[[Redis], object]) -> None:
    written: list[tuple[Any, ...]] = []

    class Recorder(Redis):
        def execute_command(self, *args: Any, **_options: Any) -> None:
            written.append(args)

    call(Recorder())
    assert [slot_of(args) for args in written] == [TIMESM]


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
