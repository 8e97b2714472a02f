"""Every process and command that is too old for a ledger ends with 2 and one line that says what to do."""

import sys
from collections.abc import Iterator

import pytest
from redis import Redis

from times_dispatch.demo.local_ports import free_port
from times_dispatch.demo.processes import Process, run
from times_dispatch.demo.stack import SETTINGS, Stack, flower_command, worker_command
from times_dispatch.ledger.keys import SCHEMA
from times_dispatch.ledger.schema import MAJOR

pytestmark = [pytest.mark.processes, pytest.mark.slow]  # each process is started

ENDS_WITHIN_S = 300.0
COMMANDS = {
    "worker": worker_command("worker-1"),
    "beat": [sys.executable, "-m", "celery", "--quiet", "-A", "workers.beat", "beat"],
    "receiver": [sys.executable, "-m", "callbacks.receiver"],
    "reconciler": [sys.executable, "-m", "callbacks.reconciler"],
    "links": [sys.executable, "-m", "callbacks.links"],
    "metrics": [sys.executable, "-m", "times_dispatch.metrics"],
    "alerts": [sys.executable, "-m", "times_dispatch.alerts"],
    "console": [sys.executable, "-m", "console"],
}
LINE = f"the ledger has schema {MAJOR + 1}, written by times-dispatch 9.0"


@pytest.fixture(scope="module")
def newer() -> Iterator[Stack]:
    """A stack in which only Redis runs."""
    stack = Stack(workers=0)
    try:
        (stack.folder / "dispatch.toml").write_text(SETTINGS.read_text("utf-8"), "utf-8")
        stack.redis.start()
        with Redis.from_url(stack.redis.url) as redis:
            redis.hset(SCHEMA, mapping={"major": MAJOR + 1, "minor": 0, "version": "9.0"})
        yield stack
    finally:
        stack.stop()


@pytest.mark.parametrize("kind", [*COMMANDS, "flower"])
def test_a_process_ends_with_2_and_one_line(newer: Stack, kind: str) -> None:
    command = COMMANDS.get(kind) or flower_command(free_port())
    process = Process(kind, command, environment=newer.environment_of(kind), folder=newer.folder)
    process.start()
    try:
        assert process.wait(ENDS_WITHIN_S) == 2
    finally:
        process.kill()
    assert process.log.read_text("utf-8").count(LINE) == 1


def test_a_command_ends_with_2_and_one_line(newer: Stack) -> None:
    done = run(["dispatch", "list"], newer.environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert LINE in done.stderr
    status = run(["dispatch", "status"], newer.environment)
    assert LINE in status.stdout + status.stderr
