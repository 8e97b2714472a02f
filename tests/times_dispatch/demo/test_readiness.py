import pytest

from times_dispatch.demo.readiness import is_ready_within


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
