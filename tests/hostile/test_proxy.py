"""The nginx configuration of docker-compose.yml, with a real nginx in front of a real receiver."""

import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import trustme
from redis.asyncio import Redis

from callbacks.request_body import MAX_BODY_BYTES
from tests.kit.callbacks import SECRET, Processes, posted, row, stored
from times_dispatch.demo.local_ports import free_port

NGINX = shutil.which("nginx") or ""
CONFIGURATION = Path(__file__).parents[2] / "nginx.conf"
PATH = f"/callbacks/{SECRET}"
BODY = posted("delivered", row("m1"))

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not NGINX, reason="nginx is not installed (Debian: apt-get install nginx-light)"),
]


class Proxy:
    """nginx with the shipped configuration, except for its addresses and paths."""

    def __init__(self, folder: Path, receiver_port: int) -> None:
        ca = trustme.CA()
        certificate = ca.issue_cert("127.0.0.1")
        certificate.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
        certificate.private_key_pem.write_to_path(folder / "key.pem")
        self.tls = ssl.create_default_context()
        ca.configure_trust(self.tls)
        self.port = free_port()
        text = CONFIGURATION.read_text("utf-8")
        for old, new in {
            "server receiver:8085;": f"server 127.0.0.1:{receiver_port};",
            "listen 8443 ssl;": f"listen 127.0.0.1:{self.port} ssl;",
            "/run/secrets/tls_certificate;": f"{folder}/certificate.pem;",
            "/run/secrets/tls_key;": f"{folder}/key.pem;",
            "worker_processes auto;": "worker_processes 1;" + (" user root;" if os.getuid() == 0 else ""),
            " /tmp/nginx": f" {folder}/nginx",
            "access_log /dev/stdout": f"access_log {folder}/access.log",
        }.items():
            assert old in text
            text = text.replace(old, new)
        self.folder = folder
        self._file = folder / "nginx.conf"
        self._file.write_text(text)

    def check(self) -> str:
        """Return the output of ``nginx -t`` about the configuration."""
        result = subprocess.run(
            [NGINX, "-t", "-c", self._file], capture_output=True, text=True, timeout=30, check=False
        )
        assert result.returncode == 0, result.stderr
        return result.stderr

    def start(self) -> None:
        with (self.folder / "error.log").open("wb") as errors:
            self._process = subprocess.Popen(
                [NGINX, "-c", self._file, "-g", "daemon off;"], stdout=errors, stderr=errors
            )
        for _ in range(500):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            assert self._process.poll() is None, self.logs()
            time.sleep(0.02)
        raise AssertionError("nginx does not listen")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)

    def logs(self) -> str:
        return "".join(
            path.read_text() for path in sorted(self.folder.glob("*.log")) if path.stem in {"access", "error"}
        )


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    folder = tmp_path / "receiver"
    folder.mkdir()
    started = Processes(folder)
    yield started
    started.end()


@pytest.fixture
def proxy(processes: Processes, redis_url: str, tmp_path: Path) -> Iterator[Proxy]:
    _, url = processes.receiver(redis_url)
    proxy = Proxy(tmp_path, int(url.rpartition(":")[2]))
    proxy.check()
    proxy.start()
    yield proxy
    proxy.stop()


def client(proxy: Proxy) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"https://127.0.0.1:{proxy.port}", verify=proxy.tls, timeout=30)


async def test_reports_pass_the_proxy_and_its_log_has_no_path(redis: Redis, proxy: Proxy) -> None:
    async with client(proxy) as http:
        for body in (BODY, BODY.ljust(MAX_BODY_BYTES)):
            response = await http.post(PATH, content=body)
            assert (response.status_code, response.json()["data"]["processed_events"]) == (200, 1)
            assert "server" not in response.headers or "/" not in response.headers["server"]
        assert (await http.post(PATH, content=b"x" * (MAX_BODY_BYTES + 1))).status_code == 413
        for path in ("/", "/health", "/ready", "/callbacks", "/callbacks/guess"):
            assert (await http.get(path)).status_code == 404
        assert (await http.get("/" + "a" * 40_000)).status_code == 414
        assert (await http.post(PATH, content=BODY, headers={"x-a": "a" * 40_000})).status_code == 400
    assert await stored(redis) == [BODY, BODY.ljust(MAX_BODY_BYTES)]
    lines = proxy.logs().splitlines()
    named = [line for line in lines if "callbacks" in line or SECRET in line]
    print(f"{len(lines)} lines of nginx' logs, {len(named)} with the path; 2 reports stored")  # noqa: T201  # the figure
    assert len(lines) >= 10
    assert not named


async def test_a_receiver_that_is_gone_leaves_no_path_in_the_log(processes: Processes, proxy: Proxy) -> None:
    processes.end()
    async with client(proxy) as http:
        assert (await http.post(PATH, content=BODY)).status_code == 502
        with suppress(httpx.HTTPError):
            await http.post(PATH, content=b"x" * 10_000_000)
    logs = proxy.logs()
    print(f"{len(logs):,} characters of nginx' logs, {logs.count(SECRET)} times the secret")  # noqa: T201  # the figure
    assert " 502 " in logs
    assert SECRET not in logs


def test_a_silent_connection_is_closed_by_the_proxy(proxy: Proxy) -> None:
    with (
        socket.create_connection(("127.0.0.1", proxy.port), timeout=120) as plain,
        proxy.tls.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(b"POST /callbacks/x HTTP/1.1\r\nX-A")
        started_s = time.monotonic()
        with suppress(OSError):
            assert connection.recv(100) == b""
        lasted_s = time.monotonic() - started_s
        print(f"the proxy closed a silent connection after {lasted_s:.0f} s")  # noqa: T201  # the figure
        assert lasted_s < 50  # 10 s in nginx.conf; nginx waits for 60 s by default
