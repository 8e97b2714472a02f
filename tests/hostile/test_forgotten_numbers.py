"""A reconciler with its own Redis user hides forgotten numbers in bodies that the receiver cannot read."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from redis import Redis as SyncRedis

from callbacks.dead_letters import DeadLetter, DeadLetterReason, DeadLetters
from tests.kit.producers import SETTINGS
from tests.kit.redis_users import add_users
from times_dispatch.demo.processes import Process, clean_environment
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.keys import DEAD_LETTERS
from times_dispatch.ledger.numbers.forgotten_numbers import ForgottenNumbers

KEY = "the key of forgotten numbers"
WRITTEN = [b"<from>9876543210</from>", b"call 987 654 3210", b"from=%2B91%209876543210"]


@pytest.mark.processes
async def test_no_dead_letter_of_the_receiver_keeps_a_forgotten_number(tmp_path: Path) -> None:
    (tmp_path / "dispatch.toml").write_text(SETTINGS)
    with EmbeddedServer() as server, SyncRedis.from_url(server.url) as redis:
        add_users(redis, "mellon")
        async with connect(server.url) as ledger:
            await ForgottenNumbers(ledger, KEY.encode()).add("919876543210")
            letters = [DeadLetter(DeadLetterReason.UNREADABLE, body, "the body is no JSON") for body in WRITTEN]
            await DeadLetters(ledger).add(letters)  # like the receiver, which has no access to forgotten numbers
        environment = {
            **clean_environment(),
            "PYTHONPATH": ":".join(sys.path),
            "DISPATCH_REDIS_URL": f"redis://reconciler:mellon@127.0.0.1:{server.port}/0",
            "DISPATCH_ID_KEY": "0123456789abcdef",
            "DISPATCH_FORGET_KEY": KEY,
        }
        command = [sys.executable, "-m", "callbacks.reconciler"]
        process = Process("reconciler", command, environment=environment, folder=tmp_path)
        process.start()
        try:
            deadline = time.monotonic() + 120
            while any(b"543210" in body.replace(b" ", b"") for body in _bodies(redis)) and time.monotonic() < deadline:
                process.check()
                await asyncio.sleep(0.1)
        finally:
            process.stop()
        kept = sum(b"543210" in body.replace(b" ", b"") for body in _bodies(redis))
        print(f"{kept} of {len(WRITTEN)} bodies keep the forgotten number")  # noqa: T201  # the figure
        assert sorted(_bodies(redis)) == sorted(
            [b"<from>1000000000</from>", b"call 100 000 0000", b"from=%2B91%201000000000"]
        )


def _bodies(redis: "SyncRedis") -> list[bytes]:
    entries: Any = redis.xrange(DEAD_LETTERS)
    return [fields[b"b"] for _, fields in entries]
