"""Fixtures of commands that talk to a provider: the sandbox, and a command line with settings for it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from producers.cli import main
from tests.kit.producers import Run
from tests.kit.provider_settings import PROVIDER_SETTINGS, PROVIDER_VARIABLES
from tests.kit.sandbox_thread import SandboxThread, sandbox_thread


@pytest.fixture(scope="package")
def running_sandbox() -> Iterator[SandboxThread]:
    """One sandbox for all tests of this folder."""
    with sandbox_thread() as running:
        yield running


@pytest.fixture
def sandbox(running_sandbox: SandboxThread) -> SandboxThread:
    """The sandbox without faults and with empty books."""
    running_sandbox.reset()
    return running_sandbox


@pytest.fixture
def provider_folder(sandbox: SandboxThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with settings for three providers."""
    (tmp_path / "dispatch.toml").write_text(PROVIDER_SETTINGS.format(url=sandbox.url))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def provider_run(provider_folder: Path, redis_url: str) -> Run:
    """Run the command line beside settings with three providers; the value None removes a variable."""

    def run_dispatch(
        *arguments: str, random_below: Callable[[int], int] | None = None, **changes: str | None
    ) -> Result:
        environment = {"DISPATCH_REDIS_URL": redis_url, **PROVIDER_VARIABLES, **changes}
        context = {"random_below": random_below} if random_below else {}
        return CliRunner(env=environment).invoke(main, arguments, obj=context)

    return run_dispatch
