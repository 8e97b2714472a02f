import pytest

from times_dispatch.provider.description.responses import TIMES_MOBILE_RESPONSES, Meaning, ResponseRules
from times_dispatch.provider.failures import FAILURE_TEXTS, Failure
from times_dispatch.provider.outcomes import Verdict
from times_dispatch.status.code_meanings import text_of

OWN = ResponseRules(
    codes={"E_NUMBER": Meaning(Verdict.REJECTED, "the operator does not know it", number=2054)},
    statuses={418: Meaning(Verdict.REJECTED, "a teapot")},
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("push:2054", "invalid mobile number"),
        ("push:2070", "authentication failure"),
        ("retry:6001", "insufficient balance"),
        ("push:10", "no response in time"),
        ("push:11", "connection lost before the response was complete"),
        ("push:12", "the response cannot be read"),
        ("push:13", "the worker was lost during the push"),
        ("retry:1", "the provider's host name cannot be resolved"),
        ("retry:8", "no token in time"),
        ("retry:9", "no connection before the push had to begin"),
        ("retry:429", "HTTP 429 Too Many Requests"),
        ("push:200", "the response contradicts itself"),
        ("push:404", "nothing takes messages at the endpoint (HTTP 404 Not Found)"),
        ("push:502", "HTTP 502 Bad Gateway"),
        ("push:599", "HTTP 599"),
        ("push:0", "no code"),
        ("push:4711", "unknown code 4711"),
        ("push:901", "unknown code 901"),
        ("report:901", "DND"),
        ("report:12", "unknown code 12"),
        ("report:633", "DLT: template not matched"),
        ("suppressed:31", "on the opt-out list"),
    ],
)
def test_a_code_has_the_meaning_of_its_origin(name: str, text: str) -> None:
    assert text_of(name, [TIMES_MOBILE_RESPONSES]) == text


def test_the_settings_of_a_provider_give_its_codes_their_meanings() -> None:
    assert text_of("push:2054", [OWN]) == "the operator does not know it"
    assert text_of("push:2054", [OWN, TIMES_MOBILE_RESPONSES]) == "the operator does not know it; invalid mobile number"
    assert text_of("push:418", [OWN]) == "a teapot (HTTP 418 I'm a Teapot)"


def test_each_of_our_own_codes_has_a_meaning() -> None:
    assert set(FAILURE_TEXTS) == set(Failure)
