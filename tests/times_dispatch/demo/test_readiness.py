import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from times_dispatch.demo.processes import Process, ProcessFailed
from times_dispatch.demo.readiness import StartLimits, is_ready_within, wait_until_started


class Time:
    """A clock that moves only in ``sleep``."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Questions:
    """Answers each question with the next answer, and raises an answer that is an error; the last answer stays."""

    def __init__(self, *answers: bool | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self) -> bool:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if isinstance(answer, Exception):
            raise answer
        return answer


def ask(questions: Questions, *, timeout_s: float = 1.0) -> tuple[bool, float]:
    """Return the answer, and how many seconds it took."""
    time = Time()
    answer = is_ready_within(
        timeout_s, questions, not_yet=(ConnectionError,), every_s=0.25, monotonic=time.monotonic, sleep=time.sleep
    )
    return answer, time.now - 100.0


def test_a_server_that_is_ready_is_asked_once() -> None:
    questions = Questions(True)
    assert (ask(questions), questions.asked) == ((True, 0.0), 1)


def test_an_expected_error_means_not_yet() -> None:
    questions = Questions(ConnectionError(), False, True)
    assert (ask(questions), questions.asked) == ((True, 0.5), 3)


@pytest.mark.parametrize(("timeout_s", "asked"), [(0.0, 1), (1.0, 5)])
def test_after_the_time_the_answer_is_no(timeout_s: float, asked: int) -> None:
    questions = Questions(False)
    assert (ask(questions, timeout_s=timeout_s), questions.asked) == ((False, timeout_s), asked)


def test_any_other_error_is_raised_at_once() -> None:
    with pytest.raises(KeyError):
        ask(Questions(KeyError("a")))


class Start(Process):
    """A process whose CPU time is that of a busy machine: a share of the time that passes, at most ``needs_s``."""

    def __init__(self, time: Time, *, share: float, needs_s: float = 100.0) -> None:
        super().__init__("worker-1", [], environment={}, folder=Path("/nowhere"))
        self._time, self._share, self._needs_s = time, share, needs_s

    @property
    def cpu_s(self) -> float:
        return min(self._needs_s, (self._time.now - 100.0) * self._share)

    def is_done(self) -> bool:
        return self.cpu_s >= self._needs_s


def start(process: Start, time: Time) -> float:
    """Wait until a process has used the CPU time that it needs; return how many seconds it took."""
    wait_until_started(
        process,
        lambda: "" if process.is_done() else "it imports",
        limits=StartLimits(idle_s=40.0, max_s=600.0, progress_cpu_s=0.5),
        every_s=1.0,
        monotonic=time.monotonic,
        sleep=time.sleep,
    )
    return time.now - 100.0


def test_a_process_that_gets_little_of_the_cpu_may_take_minutes_to_start() -> None:
    time = Time()
    assert start(Start(time, share=0.02, needs_s=4.0), time) == 200.0


def test_a_process_that_waits_for_something_ends_the_wait_soon_and_the_error_has_the_reason() -> None:
    time = Time()
    process = Start(time, share=1.0, needs_s=3.0)
    process.is_done = lambda: False  # type: ignore[method-assign]
    words = re.escape("worker-1 was not ready after 43 s, of which it used the CPU for 3.0 s; it imports:")
    with pytest.raises(ProcessFailed, match=f"^{words}"):
        start(process, time)


def test_a_process_that_works_for_ever_ends_the_wait_at_the_limit() -> None:
    time = Time()
    with pytest.raises(ProcessFailed, match="not ready after 600 s"):
        start(Start(time, share=0.1, needs_s=1_000.0), time)


@pytest.fixture
def sleeping(tmp_path: Path) -> Iterator[Process]:
    """A real process that logs a line and sleeps."""
    command = [sys.executable, "-c", "import time; print('hello', flush=True); time.sleep(600)"]
    process = Process("beat", command, environment={}, folder=tmp_path)
    yield process
    process.stop()


@pytest.mark.processes
def test_a_real_process_that_ended_or_waits_is_named_with_the_end_of_its_log(sleeping: Process) -> None:
    sleeping.start()
    wait_until_started(sleeping, lambda: "" if "hello" in sleeping.log_tail() else "no line")
    assert sleeping.cpu_s
    with pytest.raises(ProcessFailed, match=r"^beat was not ready after 1 s.*no answer:\nhello$"):
        wait_until_started(sleeping, lambda: "no answer", limits=StartLimits(idle_s=1.0, progress_cpu_s=10.0))
    sleeping.kill()
    with pytest.raises(ProcessFailed, match=r"^beat ended with -9:\nhello$"):
        wait_until_started(sleeping, lambda: "no answer")
