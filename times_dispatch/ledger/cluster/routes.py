"""Which hash slot of a cluster a command needs: the slot of its keys."""

from collections.abc import Sequence
from typing import Any, Final

from redis.crc import key_slot

from times_dispatch.ledger.cluster.errors import SlotsMixed

HOME: Final = "clock"
"""The hash tag whose node gets commands without a key, so that all such calls read the same clock."""

_SCRIPTS: Final = frozenset({"EVAL", "EVALSHA"})
_KEYS_TO_THE_END: Final = frozenset({"MGET", "DEL", "EXISTS", "UNLINK", "WATCH", "TOUCH"})
_STREAM_READS: Final = frozenset({"XREAD", "XREADGROUP"})
_KEYLESS: Final = frozenset({"PING", "TIME", "WAIT", "UNWATCH", "INFO", "ECHO"})
_KEYLESS_FAMILIES: Final = frozenset({"CLIENT", "CONFIG", "SCRIPT", "CLUSTER", "ACL", "COMMAND"})


def slot_of(args: Sequence[Any]) -> int | None:
    """Return the slot of a command, as redis-py passes the command; None if the command has no key.

    Raises:
        SlotsMixed: The command has keys of several slots.
    """
    slots = {key_slot(_bytes(key)) for key in keys_of(args)}
    if len(slots) > 1:
        raise SlotsMixed(f"{args[0]} has keys of {len(slots)} hash slots")
    return slots.pop() if slots else None


def home_slot() -> int:
    """Return the slot whose node gets commands without a key."""
    return key_slot(HOME.encode())


def keys_of(args: Sequence[Any]) -> Sequence[Any]:
    """Return the keys of a command."""
    command = str(args[0]).upper()
    if command in _SCRIPTS:
        return args[3 : 3 + int(args[2])]
    if command in _KEYS_TO_THE_END:
        return args[1:]
    if command in _STREAM_READS:
        names = args[_after(args, "STREAMS") :]
        return names[: len(names) // 2]
    if command == "SCAN":
        # A pattern with a hash tag matches keys of one slot only, so the pattern counts as a key.
        return args[_after(args, "MATCH") :][:1]
    if command in _KEYLESS or command.partition(" ")[0] in _KEYLESS_FAMILIES:
        return ()
    return args[1:2]


def may_follow_ask(args: Sequence[Any]) -> bool:
    """Say whether a command may run on the node to which its slot is being moved, while the slot is moved key by key.

    A command with one key may. A script may not: it names only the hash tag, and while the keys of the tag are on two
    nodes, no node has all that the script reads. Such commands wait until the slot has moved.
    """
    return str(args[0]).upper() not in _SCRIPTS and len(keys_of(args)) <= 1


def may_follow_ask_together(commands: Sequence[Sequence[Any]]) -> bool:
    """Say whether a transaction may run on that node: all its commands must have the same single key."""
    keys = {_bytes(key) for args in commands for key in keys_of(args)}
    return len(keys) == 1 and all(map(may_follow_ask, commands))


def _after(args: Sequence[Any], option: str) -> int:
    """Return the position after an option. redis-py writes some options as text, and some as bytes."""
    words = (option, option.encode())
    return next((index + 1 for index, word in enumerate(args) if word in words), len(args))


def _bytes(key: Any) -> bytes:
    return key.encode() if isinstance(key, str) else bytes(key)
