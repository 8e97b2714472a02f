"""A command reports at once that Redis stopped answering, and ends soon."""

import asyncio
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from redis.exceptions import TimeoutError as RedisTimeout

from producers.cli import CliTimeouts, ledger
from tests.kit.hanging_redis import HangingRedis, hanging_redis
from tests.kit.ledger_calls import LEDGER_CALLS
from tests.kit.producers import Run
from tests.kit.tls import Certificates
from times_dispatch.demo.processes import clean_environment
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import RedisUnavailable

SHORT = CliTimeouts(answer_s=0.3, look_interval_s=0.05)
SOON_S = 15.0
"""Far more than the time-out, however busy the machine is, and less than four time-outs of five seconds."""
LONG = ("report @", "stats --recount", "optout export", "reports replay")
"""These commands wait for Redis."""
SAYS_IT_ELSEWHERE = ("status", "check")
"""These commands print the results that need no Redis, and among them that Redis does not answer."""


@pytest.fixture
def run(run: Run) -> Run:
    """The command line with short timeouts, unless a test gives others."""
    return lambda *arguments, timeouts=SHORT: run(*arguments, timeouts=timeouts)


@pytest.fixture
def proxy(redis_server: EmbeddedServer) -> Iterator[HangingRedis]:
    with hanging_redis(redis_server.port) as proxy:
        yield proxy


def test_the_timeout_of_commands_is_two_seconds() -> None:
    assert CliTimeouts().answer_s == 2
    assert CliTimeouts().tell_silence_after_s < 2.5


@pytest.mark.parametrize("call", [call for call in LEDGER_CALLS if not call.startswith((*LONG, *SAYS_IT_ELSEWHERE))])
def test_a_redis_that_hangs_in_the_middle_ends_a_command(
    run: Run, submitted: str, proxy: HangingRedis, call: str
) -> None:
    arguments = ["--redis-url", f"redis://127.0.0.1:{proxy.port}/0", *call.replace("@", submitted).split()]
    run(*arguments)
    proxy.hang_after(proxy.pieces // 2)

    began_s = time.monotonic()
    done = run(*arguments)

    assert time.monotonic() - began_s < SOON_S
    assert done.exit_code == 2, done.output
    last = done.stderr.splitlines()[-1]
    assert re.fullmatch(f"Redis at 127.0.0.1:{proxy.port} (did not answer in time; run .*|.*: no answer in time)", last)


@pytest.mark.parametrize("call", [call for call in LEDGER_CALLS if call.startswith(LONG)])
def test_a_long_command_says_that_redis_hangs_and_goes_on_when_redis_answers(
    run: Run, submitted: str, proxy: HangingRedis, call: str
) -> None:
    arguments = ["--redis-url", f"redis://127.0.0.1:{proxy.port}/0", *call.replace("@", submitted).split()]
    run(*arguments)
    proxy.hang_after(proxy.pieces // 2)
    timer = threading.Timer(1.5, proxy.go_on)
    timer.start()

    done = run(*arguments)
    timer.join()

    assert done.exit_code == 0, done.output
    assert f"Redis at 127.0.0.1:{proxy.port} does not answer: waiting for it\n" in done.stderr


async def test_a_later_connection_of_a_long_command_waits_for_a_redis_that_hangs(
    proxy: HangingRedis, capsys: pytest.CaptureFixture[str]
) -> None:
    url, name = f"redis://127.0.0.1:{proxy.port}/0", f"Redis at 127.0.0.1:{proxy.port}"
    proxy.hang_after(0)
    timer = threading.Timer(1.0, proxy.go_on)
    timer.start()

    async with ledger.open_ledger(url, is_long=True, is_first=False, timeouts=SHORT) as redis:
        assert await redis.ping()
    timer.join()

    assert capsys.readouterr().err == f"{name} does not answer: waiting for it\n{name} answers again\n"

    proxy.hang_after(0)
    timeouts = replace(SHORT, reconnect_s=0.5)
    with pytest.raises(RedisUnavailable, match="no answer in time"):
        async with ledger.open_ledger(url, is_long=True, is_first=False, timeouts=timeouts):
            pass
    assert capsys.readouterr().err == f"{name} does not answer: waiting for it\n"


async def hold_up_until(ends_s: float) -> None:
    """Hold up the event loop for longer than a check of Redis may take, again and again."""
    while time.monotonic() < ends_s:
        time.sleep(2 * SHORT.answer_s)  # noqa: ASYNC251  # the work of a command holds up the loop like this
        await asyncio.sleep(0.02)


async def test_work_that_holds_up_a_long_command_is_not_taken_for_a_silent_redis(
    redis_server: EmbeddedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    async with ledger.open_ledger(redis_server.url, is_long=True, timeouts=SHORT):
        await hold_up_until(time.monotonic() + 6.0)

    assert capsys.readouterr().err == ""


@pytest.mark.slow
async def test_a_long_command_does_not_mention_a_pause_of_redis_that_is_shorter_than_the_timeout(
    proxy: HangingRedis, capsys: pytest.CaptureFixture[str]
) -> None:
    url, name = f"redis://127.0.0.1:{proxy.port}/0", f"Redis at 127.0.0.1:{proxy.port}"
    timeouts = replace(SHORT, answer_s=4.0)
    async with ledger.open_ledger(url, is_long=True, timeouts=timeouts):
        for pause_s in (2.2, 7.0):
            proxy.hang_after(0)
            await asyncio.sleep(pause_s)
            proxy.go_on()
            await asyncio.sleep(1.0)

    assert capsys.readouterr().err == f"{name} does not answer: waiting for it\n{name} answers again\n"


@pytest.mark.parametrize(
    "address",
    ["redis+cluster://127.0.0.1:{0},127.0.0.1:{1}", "redis+sentinel://127.0.0.1:{0},127.0.0.1:{1}/0?master=m"],
)
async def test_several_nodes_that_hang_are_named_before_all_were_asked(
    proxy: HangingRedis,
    redis_server: EmbeddedServer,
    capsys: pytest.CaptureFixture[str],
    address: str,
) -> None:
    # All nodes together have a longer time-out than one node, and the message may not wait for the last node.
    timeouts = replace(SHORT, tell_silence_after_s=0.05)
    with hanging_redis(redis_server.port) as other:
        proxy.hang_after(0)
        other.hang_after(0)
        with pytest.raises(RedisUnavailable, match=r"no answer in time|no connection"):
            async with ledger.open_ledger(address.format(proxy.port, other.port), timeouts=timeouts):
                pass
    assert capsys.readouterr().err.endswith(" does not answer: waiting for it\n")


@pytest.mark.parametrize("call", [call for call in LEDGER_CALLS if call.startswith(SAYS_IT_ELSEWHERE)])
def test_status_and_check_say_in_their_answers_that_redis_hangs(
    run: Run, submitted: str, proxy: HangingRedis, tmp_path: Path, call: str
) -> None:
    (tmp_path / "people.csv").write_text("to,name,amount\n9876543210,Asha,5\n")
    arguments = ["--redis-url", f"redis://127.0.0.1:{proxy.port}/0", *call.split()]
    run(*arguments)
    proxy.hang_after(proxy.pieces // 2)

    began_s = time.monotonic()
    done = run(*arguments)

    assert time.monotonic() - began_s < SOON_S
    assert re.search("no answer in time|did not answer", done.output), done.output


@pytest.mark.processes
def test_behind_tls_it_is_the_same(submitted: str, redis_server: EmbeddedServer, tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    with hanging_redis(redis_server.port, certificates.server("trusted")) as proxy:
        url = f"rediss://127.0.0.1:{proxy.port}/0?ssl_ca_certs={certificates.ca}"
        command = [
            sys.executable,
            "-c",
            "from producers.cli import main; main()",
            "--redis-url",
            url,
            "show",
            submitted,
        ]
        environment = {**clean_environment(), "PYTHONPATH": str(Path(__file__).parents[3])}
        assert subprocess.run(command, check=False, env=environment, capture_output=True).returncode == 0
        for pieces in (0, proxy.pieces // 2):
            proxy.hang_after(pieces)
            began_s = time.monotonic()
            done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
            assert time.monotonic() - began_s < SOON_S
            assert done.returncode == 2
            assert re.fullmatch(
                "Redis at .* (did not answer in time; run .*|.*: no answer in time; if it has no TLS, .*)",
                done.stderr.splitlines()[-1],  # on a busy machine, other lines come before
            )


def test_watch_says_that_redis_hangs_and_goes_on_when_redis_answers(
    run: Run, submitted: str, proxy: HangingRedis
) -> None:
    arguments = ["--redis-url", f"redis://127.0.0.1:{proxy.port}/0", "watch", submitted, "--timeout", "4"]
    hang, go_on = threading.Timer(1.0, proxy.hang_after, [0]), threading.Timer(2.5, proxy.go_on)
    hang.start()
    go_on.start()

    done = run(*arguments)
    hang.join()
    go_on.join()

    name = f"Redis at 127.0.0.1:{proxy.port}"
    lines = [line for line in done.stderr.splitlines() if line.startswith("Redis")]
    assert lines == [f"{name} does not answer: waiting for it", f"{name} answers again"]
    assert json.loads(run("show", submitted, "--json").stdout)["state"] == "running"


def test_watch_ends_when_redis_hangs_for_long(run: Run, submitted: str, proxy: HangingRedis) -> None:
    timer = threading.Timer(1.0, proxy.hang_after, [0])
    timer.start()

    arguments = ["--redis-url", f"redis://127.0.0.1:{proxy.port}/0", "watch", submitted]
    done = run(*arguments, timeouts=replace(SHORT, watch_s=0.5))
    timer.join()

    assert done.exit_code == 2
    assert done.stderr.splitlines()[-2:] == [
        f"Redis at 127.0.0.1:{proxy.port} does not answer: waiting for it",
        f"Redis at 127.0.0.1:{proxy.port} did not answer in time; run the same command again",
    ]
    assert not isinstance(done.exception, RedisTimeout)
