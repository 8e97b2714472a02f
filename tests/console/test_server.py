"""The console process: it starts, serves pages, writes heartbeats, and stops after a signal."""

import os
import signal
import sys
import time
from pathlib import Path

import httpx
import pytest
from redis import Redis

from console.rendering import asset_path
from tests.kit.console import SECRET
from tests.kit.producers import SETTINGS
from times_dispatch.demo.local_ports import free_port
from times_dispatch.demo.processes import Process, clean_environment


@pytest.mark.processes
def test_the_console_serves_until_a_signal(redis_url: str, tmp_path: Path) -> None:
    (tmp_path / "dispatch.toml").write_text(SETTINGS)
    listen = f"127.0.0.1:{free_port()}"
    environment = {
        **clean_environment(),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "DISPATCH_REDIS_URL": redis_url,
        "DISPATCH_CONSOLE_SECRET": SECRET,
        "DISPATCH_CONSOLE_LISTEN": listen,
        "PYTHONPROFILEIMPORTTIME": "1",  # writes a line for each module that is imported
    }
    process = Process("console", [sys.executable, "-m", "console"], environment=environment, folder=tmp_path)
    process.start()
    try:
        deadline = time.monotonic() + 300
        while "Uvicorn running" not in process.log_tail():
            process.check()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with httpx.Client(transport=httpx.HTTPTransport(retries=5), trust_env=False) as client:
            response = client.get(f"http://{listen}/login")
            assert client.get(f"http://{listen}{asset_path('console.css')}").status_code == 200
            assert client.get(f"http://{listen}/health").text == "ok\n"
        assert "There are no users yet" in response.text
        before, _, later = process.log.read_text().partition("Uvicorn running")
        assert "import time:" not in later  # an import would stall other requests
        assert "nobody can log in" in before
        with Redis.from_url(redis_url) as redis:
            assert redis.hget("{processes}:kinds", "console")
        process.send(signal.SIGTERM)
        assert process.wait(120) == 0
    finally:
        process.stop()
