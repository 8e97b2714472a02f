"""``dispatch show`` explains every code: the provider's codes, our codes, and the codes of delivery reports."""

import json
import re

import pytest
from redis import Redis as SyncRedis

from tests.kit.producers import Run
from tests.producers.conftest import campaign, run, submitted, write

__all__ = ["campaign", "run", "submitted", "write"]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("push:2054", "invalid mobile number"),
        ("push:2070", "authentication failure"),
        ("push:10", "no response in time"),
        ("push:12", "the response cannot be read"),
        ("push:13", "the worker was lost during the push"),
        ("retry:2", "connection refused"),
        ("push:503", "HTTP 503 Service Unavailable"),
        ("report:914", "undelivered after retries"),
        ("suppressed:31", "on the opt-out list"),
    ],
)
def test_show_says_what_a_code_means(run: Run, submitted: str, redis_url: str, code: str, text: str) -> None:
    with SyncRedis.from_url(redis_url) as redis:
        redis.hset(f"{{TIMESM}}:c:{submitted}:codes", code, 2)
    table = run("show", submitted).stdout
    assert re.search(rf"{code.replace(':', ' ')} +2 +{re.escape(text)}", table)
    answer = json.loads(run("show", submitted, "--json").stdout)
    assert (answer["codes"], answer["code_texts"]) == ({code: 2}, {code: text})
