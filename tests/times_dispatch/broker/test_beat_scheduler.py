"""Two real beat processes: one sends the messages for upkeep, and the other takes over within five seconds."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner
from redis import Redis

from producers.cli import main
from tests.kit.producers import SETTINGS
from times_dispatch.broker.beat_scheduler import TOKEN_HEADER
from times_dispatch.broker.queues import UPKEEP_QUEUE
from times_dispatch.demo.processes import Process, clean_environment
from times_dispatch.ledger.beat_lease import LEASE_S, RENEW_EVERY_S
from times_dispatch.ledger.keys import BEAT_LEASE, PROCESSES_SEEN, BeatField
from times_dispatch.ledger.scripts import text

pytestmark = [pytest.mark.processes, pytest.mark.slow]  # a lease of beat lasts 2.5 s

STARTS_WITHIN_S = 300.0
"""This time only limits the wait for the start, on a machine however busy."""
TAKES_OVER_WITHIN_S = 5.0
"""The guaranteed time: the lease of the dead beat, the next renewal by the other beat, and a message a second later."""
BUSY_S = 30.0
"""The limit for a takeover on a busy machine; without a takeover, the lease of the dead beat stays for ever."""
ROOT = Path(__file__).parents[3]


def test_the_end_of_beat_scans_no_loaded_modules(tmp_path: Path) -> None:
    (tmp_path / "dispatch.toml").write_text(SETTINGS)
    code = (
        "import gc, workers.beat; from celery import signals; "
        "signals.beat_init.send(None); print(gc.get_freeze_count())"
    )
    environment = {
        **clean_environment(),
        "PYTHONPATH": str(ROOT),
        "DISPATCH_SETTINGS": str(tmp_path / "dispatch.toml"),
        "DISPATCH_REDIS_URL": "redis://127.0.0.1:1/0",
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert int(done.stdout) > 50_000


class Beats:
    """Two beats on one Redis, and the messages that they send."""

    def __init__(self, redis: Redis, beats: list[Process]) -> None:
        self.redis = redis
        self.beats = beats

    def next_token(self) -> int:
        """Take the next message; return the token that it carries."""
        taken = self.redis.brpop([UPKEEP_QUEUE], timeout=STARTS_WITHIN_S)
        assert taken, f"no message within {STARTS_WITHIN_S} s\n{self.output()}"
        return int(json.loads(taken[1])["headers"][TOKEN_HEADER])

    def holder(self) -> Process:
        process = text(self.redis.hget(BEAT_LEASE, "process"))
        return next(beat for beat in self.beats if process.endswith(f":{beat.pid}"))

    def gap_until(self, token: int) -> float:
        """Take messages until one carries the token; return the seconds since the call."""
        began = time.monotonic()
        while self.next_token() != token:
            assert time.monotonic() - began < STARTS_WITHIN_S, self.output()
        return time.monotonic() - began

    def output(self) -> str:
        """Return what each beat has printed."""
        return "\n".join(f"{beat.name}, running: {beat.running}\n{beat.log.read_text()}" for beat in self.beats)

    def wait_for_heartbeats(self) -> None:
        """Wait until every beat is listed; other processes may be listed too."""
        deadline = time.monotonic() + STARTS_WITHIN_S
        while True:
            seen = {text(name).rpartition(":")[2] for name in self.redis.zrange(PROCESSES_SEEN, 0, -1)}
            if all(str(beat.pid) in seen for beat in self.beats):
                return
            is_over = time.monotonic() > deadline or not all(beat.running for beat in self.beats)
            assert not is_over, f"the listed processes are {sorted(seen)}\n{self.output()}"
            time.sleep(0.05)


@pytest.fixture
def beats(redis_url: str, tmp_path: Path) -> Iterator[Beats]:
    (tmp_path / "dispatch.toml").write_text(SETTINGS)
    environment = {**clean_environment(), "PYTHONPATH": str(ROOT), "DISPATCH_REDIS_URL": redis_url}
    command = [sys.executable, "-m", "celery", "--quiet", "-A", "workers.beat", "beat", "--loglevel=INFO"]
    with ExitStack() as stack, Redis.from_url(redis_url, socket_timeout=2 * STARTS_WITHIN_S) as redis:
        both = [Process(name, command, environment=environment, folder=tmp_path) for name in ("beat-1", "beat-2")]
        for beat in both:
            stack.callback(beat.kill)
            beat.start()
        scene = Beats(redis, both)
        assert scene.next_token() == 1
        scene.wait_for_heartbeats()
        yield scene


def test_one_of_two_beats_works_and_after_kill_9_the_other_takes_over_within_five_seconds(beats: Beats) -> None:
    assert LEASE_S + RENEW_EVERY_S + 1.0 < TAKES_OVER_WITHIN_S
    assert {beats.next_token() for _ in range(4)} == {1}
    beats.holder().kill()
    assert beats.gap_until(2) <= BUSY_S


def test_a_clean_stop_hands_over_at_once(beats: Beats) -> None:
    beats.holder().stop()
    token, until_ms = beats.redis.hmget(BEAT_LEASE, [BeatField.TOKEN, BeatField.UNTIL_MS])
    # The lease is released, or the other beat has taken it: no beat waits for the end of the lease.
    assert (text(token or b""), text(until_ms or b"")) == ("1", "0") or text(token or b"") == "2"
    assert beats.gap_until(2) <= BUSY_S


def test_a_beat_that_was_frozen_sends_nothing_after_another_one_took_over(beats: Beats) -> None:
    frozen = beats.holder()
    frozen.send(signal.SIGSTOP)
    assert beats.gap_until(2) <= BUSY_S
    frozen.send(signal.SIGCONT)
    assert {beats.next_token() for _ in range(4)} == {2}
    assert frozen.running


def test_the_status_shows_both_beats_and_names_the_one_that_works(
    beats: Beats, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = CliRunner(env={"DISPATCH_REDIS_URL": redis_url}).invoke(main, ["status"]).stdout
    line = next(line for line in shown.splitlines() if line.startswith("beat "))
    assert line.startswith("beat       2 on ")
    assert f":{beats.holder().pid} works, the others stand by" in line
