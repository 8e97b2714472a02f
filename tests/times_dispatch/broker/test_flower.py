import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from flower.urls import handlers as flower_handlers  # type: ignore[import-untyped]

from tests.kit.settings import SETTINGS_FILE

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[3]
LOGIN = ("people", "mel,lon:4711")


def _environment(folder: Path, redis_url: str, login: str) -> dict[str, str]:
    (folder / "dispatch.toml").write_text(SETTINGS_FILE, encoding="utf-8")
    (folder / "login").write_text(login, encoding="utf-8")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DISPATCH_", "FLOWER_"))}
    return {
        **clean,
        "PYTHONPATH": str(ROOT),
        "DISPATCH_REDIS_URL": redis_url,
        "DISPATCH_FLOWER_BASIC_AUTH_FILE": str(folder / "login"),
    }


@pytest.fixture
def options() -> tuple[str, ...]:
    """Options of Flower besides the port."""
    return ()


@pytest.fixture
def flower(
    tmp_path: Path, redis_url: str, unused_tcp_port: int, options: tuple[str, ...]
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "times_dispatch.broker.flower", f"--port={unused_tcp_port}", *options],
        cwd=tmp_path,
        env=_environment(tmp_path, redis_url, ":".join(LOGIN)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield process, f"http://127.0.0.1:{unused_tcp_port}"
    process.kill()
    process.communicate()


def _ready(process: subprocess.Popen[str], url: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[0]
        try:
            if httpx.get(f"{url}/healthcheck", trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("Flower was not ready in time")


def test_flower_asks_for_the_password_and_shows_results_and_arguments(
    flower: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
    process, url = flower
    _ready(process, url)

    assert LOGIN[1] not in Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
    with httpx.Client(base_url=url, trust_env=False) as client:
        for path in ("/tasks", "/api/workers", "/metrics", "/broker", "/"):
            assert client.get(path).status_code == httpx.codes.UNAUTHORIZED
            assert client.get(path, auth=(LOGIN[0], "guess")).status_code == httpx.codes.UNAUTHORIZED
        page = client.get("/tasks", auth=LOGIN).text
    columns = ["name", "state", "result", "args", "received", "runtime", "worker"]
    assert re.findall(r'data-column="(\w+)"', page) == columns

    process.terminate()
    shown, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert LOGIN[1] not in shown
    assert sorted(file.name for file in tmp_path.iterdir()) == ["dispatch.toml", "login"]


CHANGES = [
    *(f"/api/worker/{action}/worker@host" for action in ("shutdown", "pool/restart", "pool/grow", "pool/shrink")),
    *(f"/api/worker/{action}/worker@host" for action in ("pool/autoscale", "queue/add-consumer")),
    "/api/worker/queue/cancel-consumer/worker@host",
    *(f"/api/task/{action}/batch" for action in ("apply", "async-apply", "send-task", "abort", "timeout")),
    *(f"/api/task/{action}/batch" for action in ("rate-limit", "revoke")),
]


def test_flower_changes_nothing_and_listens_on_this_host_only(flower: tuple[subprocess.Popen[str], str]) -> None:
    process, url = flower
    _ready(process, url)

    with httpx.Client(base_url=url, trust_env=False, auth=LOGIN) as client:
        assert {path: client.post(path).status_code for path in CHANGES} == dict.fromkeys(CHANGES, 403)
        assert client.post("/tasks/datatable", data={"draw": "1", "start": "0", "length": "10"}).status_code != 403
    listening = {
        connection.laddr.ip for connection in psutil.Process(process.pid).net_connections() if not connection.raddr
    }
    assert listening == {"127.0.0.1"}


@pytest.mark.parametrize("options", [("--allow-control",)])
def test_flower_changes_something_only_if_it_is_told_so_at_its_start(flower: tuple[subprocess.Popen[str], str]) -> None:
    process, url = flower
    _ready(process, url)

    with httpx.Client(base_url=url, trust_env=False, auth=LOGIN) as client:
        assert client.post("/api/task/send-task/batch", json={"args": []}).status_code == 200
        assert client.post("/api/worker/shutdown/worker@host").status_code == 404  # no such worker
    assert httpx.post(f"{url}/api/task/send-task/batch", json={"args": []}, trust_env=False).status_code == 401


def test_the_list_of_changes_names_every_route_of_flower_that_changes_something() -> None:
    routes = [(route[0], route[1]) for route in flower_handlers if isinstance(route, tuple)]
    posted = [pattern for pattern, handler in routes if "post" in vars(handler) and pattern.startswith("/api/")]
    unnamed = [pattern for pattern in posted if not any(re.fullmatch(pattern, path) for path in CHANGES)]
    assert (unnamed, len(posted)) == ([], len(CHANGES))


@pytest.mark.parametrize("login", ["", "people", "people:"])
def test_flower_does_not_start_without_a_password(tmp_path: Path, login: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "times_dispatch.broker.flower"],
        cwd=tmp_path,
        env=_environment(tmp_path, "redis://127.0.0.1/0", login),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("environment: DISPATCH_FLOWER_BASIC_AUTH")
    assert done.stderr.count("\n") == 1
