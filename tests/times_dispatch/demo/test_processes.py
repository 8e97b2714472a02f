import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from times_dispatch.demo.local_ports import free_port
from times_dispatch.demo.processes import Process, ProcessFailed, clean_environment, run


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process("sleeper", ["sleep", "60"], environment={**os.environ}, folder=tmp_path)
    yield process
    process.kill()


@pytest.mark.processes
def test_a_process_runs_from_its_start_to_its_stop(process: Process) -> None:
    assert process.pid == 0
    process.start()
    assert process.pid > 0
    assert process.wait(0.01) is None
    process.check()
    assert process.stop() < 5
    assert process.wait(300) == -signal.SIGTERM


@pytest.mark.processes
def test_a_process_that_was_killed_can_be_started_again(process: Process) -> None:
    process.start()
    first = process.pid
    process.kill()
    with pytest.raises(ProcessFailed, match="sleeper ended with -9"):
        process.check()
    process.start()
    assert process.running
    assert process.pid != first


@pytest.mark.processes
def test_a_process_that_is_frozen_can_be_stopped(process: Process) -> None:
    process.start()
    process.send(signal.SIGSTOP)
    assert process.stop() < 5
    assert not process.running


@pytest.mark.processes
def test_a_process_that_ends_by_itself_fails_with_the_end_of_its_log(tmp_path: Path) -> None:
    script = "[print('line', number) for number in range(40)]; raise SystemExit(3)"
    process = Process("talker", [sys.executable, "-c", script], environment={**os.environ}, folder=tmp_path)
    assert process.log_tail() == ""
    process.start()
    assert process.wait(120) == 3
    with pytest.raises(ProcessFailed, match=r"talker ended with 3:\nline 25\n"):
        process.check()
    assert process.log_tail(2) == "line 38\nline 39"


@pytest.mark.processes
def test_a_command_is_found_beside_the_interpreter_and_its_output_is_captured() -> None:
    finished = run([Path(sys.executable).name, "-c", "print('hello')"], os.environ)
    assert (finished.returncode, finished.stdout) == (0, "hello\n")


def test_a_free_port_can_be_listened_on() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))


def test_the_clean_environment_configures_neither_the_project_nor_celery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCH_REDIS_URL", "redis://elsewhere")
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://elsewhere")
    monkeypatch.setenv("HOME_OF_OURS", "kept")
    environment = clean_environment()
    assert environment["HOME_OF_OURS"] == "kept"
    assert not {"DISPATCH_REDIS_URL", "CELERY_BROKER_URL"} & set(environment)
