"""The doctor checks settings, providers and templates before it shows the status."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.producers import Run

SECRETS = {
    "DISPATCH_ID_KEY": "k" * 32,
    "DISPATCH_CALLBACK_SECRET": "s" * 32,
    "DISPATCH_PROVIDER_TM_USERNAME": "somebody",
    "DISPATCH_PROVIDER_TM_PASSWORD": "mellon",
}


def test_missing_secrets_are_named_and_the_status_is_shown_all_the_same(run: Run) -> None:
    result = run("doctor")
    assert result.exit_code == 2
    assert "settings   4 mistakes" in result.stdout
    assert "  environment: DISPATCH_ID_KEY: is not set" in result.stdout
    assert "tm: cannot work" in result.stdout
    assert "critical   no worker has run yet" in result.stdout


def test_settings_providers_and_templates_that_are_fine_say_so(run: Run, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in SECRETS.items()))
    result = run("doctor")
    assert "settings   fine: dispatch.toml" in result.stdout
    assert "tm: can work" in result.stdout
    assert "templates  2 checked" in result.stdout
    assert result.exit_code == 2  # no worker runs
    assert "mellon" not in result.stdout


def test_settings_that_cannot_be_read_still_leave_the_status(run: Run, tmp_path: Path) -> None:
    (tmp_path / "dispatch.toml").write_text("[senders")
    result = run("doctor")
    assert "dispatch doctor" not in result.stderr
    assert "settings   " in result.stdout
    assert "redis      " in result.stdout
    assert result.exit_code == 2


def test_an_address_that_is_missing_is_a_mistake_of_the_settings(run: Run) -> None:
    result = run("--redis-url", "nonsense", "doctor")
    assert "DISPATCH_REDIS_URL: must be a URL" in result.stdout
    assert result.exit_code == 2


@pytest.fixture
def listening() -> Iterator[int]:
    """The port of a server that accepts connections, and reads nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_addresses_of_alerts_are_checked_and_reached_only_when_asked_and_nothing_is_sent(
    run: Run, tmp_path: Path, listening: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        closed_port = closed.getsockname()[1]
    urls = {
        "ONCALL": f"json://127.0.0.1:{listening}/secret-path",
        "GONE": f"json://127.0.0.1:{closed_port}/secret-path",
        "ODD": "nonsense://secret-path",
    }
    targets = "".join(f"[alerts.targets.{name.lower()}]\n" for name in urls)
    settings = (tmp_path / "dispatch.toml").read_text()
    (tmp_path / "dispatch.toml").write_text(f"{settings}\n{targets}")
    addresses = {f"DISPATCH_ALERTS_{name}_URL": url for name, url in urls.items()}
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in {**SECRETS, **addresses}.items()))
    result = run("doctor")
    lines = [line for line in result.stdout.splitlines() if line.startswith("alerts ")]
    assert lines == [
        "alerts     oncall: JSON",
        "alerts     gone: JSON",
        "alerts     odd: environment: DISPATCH_ALERTS_ODD_URL: is no address that apprise knows",
    ]
    lines = [line for line in run("doctor", "--connect").stdout.splitlines() if line.startswith("alerts ")]
    assert lines[:2] == ["alerts     oncall: JSON", "alerts     gone: JSON: no connection: connection refused"]
    assert "secret-path" not in result.output


def test_advice_about_templates_is_counted_and_only_problems_are_printed(run: Run, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in SECRETS.items()))
    result = run("doctor")
    assert "advice:" not in result.stdout
    assert "dispatch template check has advice about 2 of them" in result.stdout
