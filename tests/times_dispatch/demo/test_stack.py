import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import times_dispatch
from times_dispatch.demo.stack import Stack


@pytest.fixture
def stack() -> Iterator[Stack]:
    """A stack that is not started."""
    stack = Stack(workers=2, environment={"DISPATCH_ID_KEY": "another-key-of-enough-bytes"})
    yield stack
    stack.stop()


def test_a_stack_that_was_never_started_leaves_nothing(stack: Stack) -> None:
    folder = stack.folder
    stack.stop()
    assert not folder.exists()


def test_workers_are_named_in_order(stack: Stack) -> None:
    assert stack.worker_names == ["worker-1", "worker-2"]


def test_environment_variables_of_the_caller_override_the_stacks_own(stack: Stack) -> None:
    assert stack.environment["DISPATCH_ID_KEY"] == "another-key-of-enough-bytes"


@pytest.mark.processes
def test_the_processes_run_the_code_of_the_process_that_starts_them(stack: Stack, tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import times_dispatch; print(times_dispatch.__file__)"],
        env=stack.environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == times_dispatch.__file__


def test_every_process_pushes_to_the_sandbox_and_reports_go_to_the_receiver(stack: Stack) -> None:
    environment = stack.environment
    assert environment["DISPATCH_PROVIDER_TIMESMOBILE_ENDPOINT"].startswith(stack.sandbox_url)
    assert environment["SANDBOX_PASSWORD"] == environment["DISPATCH_PROVIDER_TIMESMOBILE_PASSWORD"]
    assert stack.postback_url == f"{stack.receiver_url}/callbacks/{environment['DISPATCH_CALLBACK_SECRET']}"


@pytest.mark.processes
def test_the_environment_file_can_be_sourced_by_a_shell_and_is_private(stack: Stack) -> None:
    path = stack.write_environment()
    shell = shutil.which("sh")
    assert shell
    script = f". {path}; printf '%s' \"$DISPATCH_CALLBACK_SECRET\""
    finished = subprocess.run([shell, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert finished.stdout == stack.environment["DISPATCH_CALLBACK_SECRET"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert "SANDBOX" not in path.read_text("utf-8")
