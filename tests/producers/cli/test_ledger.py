import os
import signal
import time
from pathlib import Path

import pytest

from tests.kit.producers import Run
from times_dispatch.demo.redis_server import EmbeddedServer


@pytest.mark.processes
@pytest.mark.parametrize(
    "command", ["list", "show last", "pause diwali01", "submit campaign.toml --recipients customers.csv"]
)
def test_a_redis_that_hangs_is_named_after_two_seconds(run: Run, command: str) -> None:
    with EmbeddedServer() as server:
        os.kill(server.pid, signal.SIGSTOP)
        try:
            began_s = time.monotonic()
            done = run("--redis-url", server.url, *command.split())
            took_s = time.monotonic() - began_s
        finally:
            os.kill(server.pid, signal.SIGCONT)

    assert done.exit_code == 2
    assert done.stderr == f"Redis at 127.0.0.1:{server.port} is unavailable: no answer in time\n"
    assert 1.5 < took_s < 5


@pytest.mark.parametrize("command", ["list", "show last"])
def test_a_settings_file_with_mistakes_keeps_no_command_from_the_ledger(run: Run, submitted: str, command: str) -> None:
    Path("dispatch.toml").write_text("[half a table\n", "utf-8")

    assert run(*command.split()).exit_code == 0
