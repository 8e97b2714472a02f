"""``dispatch show`` explains every code: the provider's codes, our codes, and the codes of delivery reports."""

import json
import re

import pytest
from redis import Redis as SyncRedis

from tests.kit.producers import Run
from tests.producers.conftest import campaign, run, submitted, write

__all__ = ["campaign", "run", "submitted", "write"]


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("push:2054", ("invalid mobile number", "leave the number out of later campaigns")),
        ("push:2070", ("authentication failure", "correct the provider's user name and password")),
        ("push:10", ("no response in time", "wait for the reports; then dispatch resolve")),
        (
            "push:12",
            ("the response cannot be read", "find out what answers in the provider's place: dispatch provider check"),
        ),
        ("push:13", ("the worker was lost during the push", "wait for the reports; then dispatch resolve")),
        ("retry:2", ("connection refused", "check the provider's address and the network: dispatch provider check")),
        ("push:503", ("HTTP 503 Service Unavailable", "")),
        ("report:914", ("undelivered after retries", "send again later")),
        ("push:5000", ("internal error at the provider", "wait for the reports; then dispatch resolve")),
        ("report:633", ("DLT: template not matched", "compare the text with the template on the DLT portal")),
        ("suppressed:31", ("on the opt-out list", "nothing: the recipient wants no messages")),
    ],
)
def test_show_says_what_a_code_means_and_what_to_do(
    run: Run, submitted: str, redis_url: str, code: str, meaning: tuple[str, str]
) -> None:
    text, advice = meaning
    with SyncRedis.from_url(redis_url) as redis:
        redis.hset(f"{{TIMESM}}:c:{submitted}:codes", code, 2)
    table = run("show", submitted).stdout
    assert re.search(rf"{code.replace(':', ' ')} +2 +{re.escape(text)}(?:: )?{re.escape(advice)}", table)
    answer = json.loads(run("show", submitted, "--json").stdout)
    assert (answer["codes"], answer["code_texts"]) == ({code: 2}, {code: text})
