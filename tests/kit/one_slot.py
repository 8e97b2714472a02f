"""Refuses, on a single Redis, commands and transactions with keys of several hash slots, as a cluster does."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio.client import Pipeline, Redis

from times_dispatch.ledger.cluster.errors import SlotsMixed
from times_dispatch.ledger.cluster.routes import keys_of, slot_of

_TESTS = str(Path(__file__).parents[1])


@contextmanager
def refusing_mixed_slots() -> Iterator[None]:
    """Refuse a command or transaction of the product with keys of several hash slots; allow the calls of tests."""
    execute_command, execute_transaction = Redis.execute_command, Pipeline._execute_transaction

    def checked_command(self: Redis, *args: Any, **options: Any) -> Any:
        if len(keys_of(args)) > 1 and not _is_called_by_a_test():
            slot_of(args)
        return execute_command(self, *args, **options)  # type: ignore[no-untyped-call]

    async def checked_transaction(self: Any, connection: Any, commands: Any, raise_on_error: bool) -> Any:
        slots = {slot_of(args) for args, _ in commands} - {None}
        if len(slots) > 1 and not _is_called_by_a_test():
            raise SlotsMixed(f"a transaction has keys of {len(slots)} hash slots")
        return await execute_transaction(self, connection, commands, raise_on_error)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Redis, "execute_command", checked_command)
        patched.setattr(Pipeline, "_execute_transaction", checked_transaction)
        yield


def _is_called_by_a_test() -> bool:
    """Return whether the nearest caller outside of redis-py is a test."""
    frame = sys._getframe(1)
    while frame.f_back and (frame.f_code.co_filename == __file__ or "redis" in Path(frame.f_code.co_filename).parts):
        frame = frame.f_back
    return frame.f_code.co_filename.startswith(_TESTS)
