import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from tests.kit.sandbox import GOOD, PASSWORD, USERNAME
from times_dispatch.sandbox import ConfigInvalid, SandboxConfig
from times_dispatch.sandbox.command import sandbox
from times_dispatch.sandbox.config import read
from times_dispatch.sandbox.http.submission import from_query

CREDENTIALS = {"username": USERNAME, "password": PASSWORD}


@pytest.mark.processes
@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
async def test_the_process_prints_its_url_serves_and_stops_when_asked(signal_number: int) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "times_dispatch.sandbox", "--senders", "TIMESM, OTHERS",
        env={**os.environ, "SANDBOX_USERNAME": USERNAME, "SANDBOX_PASSWORD": PASSWORD},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout
    try:
        async with asyncio.timeout(120):
            address = urlsplit((await process.stdout.readline()).decode().strip())
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(b"GET /ct/api/v1/send?password=" + PASSWORD.encode() + b"&\x01 HTTP/1.1\r\n\r\n")
            assert b" 400 " in await reader.readline()
            writer.close()
            process.send_signal(signal_number)
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0
    assert output == b""
    assert b"Traceback" not in errors
    assert PASSWORD.encode() not in errors


@pytest.mark.parametrize(
    ("arguments", "environment", "complaint"),
    [
        ([], {}, "missing required field `username`"),
        (["--config", "/nowhere/at/all"], {}, "/nowhere/at/all: No such file or directory"),
        (["--report-delay-ms", "5", "1"], CREDENTIALS, "delay_min_ms must not be above delay_max_ms"),
        (["--port", "70000"], CREDENTIALS, "70000"),
    ],
)
def test_wrong_usage_is_named_in_a_line_and_exits_with_2(
    arguments: list[str], environment: dict[str, str], complaint: str
) -> None:
    env = {f"SANDBOX_{name.upper()}": value for name, value in environment.items()}
    result = CliRunner().invoke(sandbox, arguments, env=env)
    assert result.exit_code == 2
    assert complaint in result.output


def test_a_port_that_is_taken_is_a_failure_and_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        env = {"SANDBOX_USERNAME": USERNAME, "SANDBOX_PASSWORD": PASSWORD}
        result = CliRunner().invoke(sandbox, ["--port", str(taken.getsockname()[1])], env=env)
    assert result.exit_code == 1
    assert "cannot start: " in result.output


def test_options_lie_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.toml"
    path.write_text('seed = 4\nsenders = {TIMESM = ["1107"]}\n[reports]\nfailed = 0.5\n[faults]\nhttp_500 = 0.25\n')
    config = read(path, **CREDENTIALS, seed=None, port=8080, reports_url="http://127.0.0.1/x")
    assert (config.seed, config.port, config.senders) == (4, 8080, {"TIMESM": ("1107",)})
    assert (config.reports.failed, config.reports.url) == (0.5, "http://127.0.0.1/x")
    assert config.faults.http_500 == 0.25


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("seed = 1\n\nsenders = TIMESM\n", "line 3"),
        ("sead = 1", "`sead`"),
        ("[reports]\nfailed = 2", "$.reports.failed"),
        ("[faults]\nhttp_500 = 0.6\nhttp_502 = 0.6", "$.faults"),
        ("reports = 3", "$.reports"),
        ("\udcff", "not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_place(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "sandbox.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigInvalid) as raised:
        read(path, **CREDENTIALS, reports_url=None if "reports" in text else "http://127.0.0.1/")
    assert str(path) in str(raised.value)
    assert complaint in str(raised.value)


def test_nothing_secret_is_shown() -> None:
    config = read(None, **CREDENTIALS, reports_url="http://127.0.0.1/callbacks/secret-token")
    shown = repr(config) + repr(config.reports)
    assert not any(secret in shown for secret in (USERNAME, PASSWORD, "secret-token"))
    assert isinstance(config, SandboxConfig)
    submission = from_query("&".join(f"{name}={value}" for name, value in GOOD.items()))
    assert submission.to == GOOD["to"]
    assert not any(GOOD[key] in repr(submission) for key in ("username", "password", "to", "text"))
