import logging

import pytest
from structlog.testing import capture_logs

from tests.kit.clock import FakeClock
from times_dispatch.broker.flower_log import RefusedRequests
from times_dispatch.http_server.refusal_log import SUMMARY_EVERY_S, RefusalLog


def _record(level: int, text: str, *values: object) -> logging.LogRecord:
    return logging.LogRecord("tornado.general", level, "", 0, text, values, None)


async def test_the_first_refusal_is_a_line_and_the_others_are_counted_once_a_minute() -> None:
    clock = FakeClock()
    refused = RefusedRequests(RefusalLog(), clock=clock)
    with capture_logs() as lines:
        for _ in range(5):
            assert not refused.filter(_record(logging.WARNING, "%d %s: %s", 404, "GET /of-a-stranger", "of-a-stranger"))
        await clock.advance(SUMMARY_EVERY_S)
        assert not refused.filter(_record(logging.INFO, "Malformed HTTP message from %s: %s", "x", "of-a-stranger"))
    assert [(line["event"], line.get("status"), line.get("requests")) for line in lines] == [
        ("a request was refused", 404, None),
        ("more requests were refused", None, {"a request was refused": 4}),
        ("a request could not be read", None, None),
    ]
    assert "of-a-stranger" not in str(lines)


@pytest.mark.parametrize(("level", "is_written"), [(logging.WARNING, False), (logging.ERROR, True)])
def test_errors_keep_their_lines(level: int, is_written: bool) -> None:
    assert RefusedRequests(RefusalLog(), clock=FakeClock()).filter(_record(level, "broken")) is is_written
