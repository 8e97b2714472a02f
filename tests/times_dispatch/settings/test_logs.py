import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from times_dispatch.settings import logs


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    """The stream of log lines; the configuration of logging is restored afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    quiet = [logging.getLogger(name) for name in logs.QUIET]
    before = [(logger.level, logger.propagate) for logger in quiet]
    for logger in quiet:  # a server of another test may have set this to False
        logger.propagate = True
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)
    for logger, (level_before, propagate) in zip(quiet, before, strict=True):
        logger.setLevel(level_before)
        logger.propagate = propagate
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def _lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_json_lines_contain_all_fields_and_no_number(out: io.StringIO) -> None:
    logs.configure(json=True, stream=out)
    structlog.get_logger().info(
        "gone to 9876543210",
        to=919876543210,
        at_ms=1795000000123,
        share=0.9876543210,
        deep={"919876543210": ["+91 98765 43210", ("x", None, True)]},
        error=ValueError("no 9876543210"),
        huge=2**70,
    )
    (line,) = _lines(out)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "gone to 9876***210",
        "level": "info",
        "to": "9198*****210",
        "at_ms": 1795000000123,
        "share": 0.9876543210,
        "deep": {"9198*****210": ["+9198*****210", ["x", None, True]]},
        "error": "ValueError('no 9876***210')",
        "huge": str(2**70),
    }


def test_the_standard_librarys_lines_look_the_same(out: io.StringIO) -> None:
    logs.configure(json=True, stream=out)
    logging.getLogger("kombu").warning("lost %s", "redis://:swordfish@127.0.0.1/0", extra={"to": "9876543210"})
    (line,) = _lines(out)
    assert (line["event"], line["level"], line["logger"], line["to"]) == (
        "lost redis://***@127.0.0.1/0",
        "warning",
        "kombu",
        "9876***210",
    )


@pytest.mark.parametrize("as_json", [True, False])
def test_a_traceback_shows_no_local_variable_and_no_number(out: io.StringIO, as_json: bool) -> None:
    logs.configure(json=as_json, stream=out)
    text = "Dear Asha, your code is 4711"
    for log in (structlog.get_logger(), logging.getLogger("any")):
        try:
            raise KeyError(f"9876543210 {len(text)}")
        except KeyError:
            log.exception("broke")
    shown = out.getvalue()
    assert shown.count("KeyError: '9876***210 28'") == 2
    assert "Asha" not in shown


def test_bound_ids_are_on_every_line(out: io.StringIO) -> None:
    logs.configure(json=True, stream=out)
    with structlog.contextvars.bound_contextvars(campaign="k3f09a1b"):
        structlog.get_logger().info("one")
        logging.getLogger("other").info("two")
    assert [line["campaign"] for line in _lines(out)] == ["k3f09a1b", "k3f09a1b"]


def test_lines_below_the_level_are_dropped(out: io.StringIO) -> None:
    logs.configure(json=True, level="warning", stream=out)
    structlog.get_logger().info("no")
    logging.getLogger("any").info("no")
    structlog.get_logger().warning("yes")
    logging.getLogger("any").warning("yes")
    assert [line["event"] for line in _lines(out)] == ["yes", "yes"]


@pytest.mark.parametrize("name", logs.QUIET)
def test_loggers_that_show_urls_are_quiet_at_every_level(out: io.StringIO, name: str) -> None:
    logs.configure(json=True, level="debug", stream=out)
    logging.getLogger(name).info("GET https://example.com/send?password=hunter2")
    assert out.getvalue() == ""
    logging.getLogger(name).warning("something is wrong")
    assert len(_lines(out)) == 1


def test_by_default_a_stream_that_is_not_a_terminal_gets_json(out: io.StringIO) -> None:
    logs.configure(stream=out)
    structlog.get_logger().info("hello")
    assert _lines(out)[0]["event"] == "hello"


def test_by_default_a_terminal_gets_columns(out: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out, "isatty", lambda: True)
    logs.configure(stream=out)
    structlog.get_logger().info("hello", batch=17)
    assert not out.getvalue().startswith("{")
    assert "hello" in out.getvalue()


def test_the_last_configuration_holds(out: io.StringIO) -> None:
    logs.configure(json=False, stream=io.StringIO())
    structlog.get_logger().info("to the first")
    logs.configure(json=True, stream=out)
    structlog.get_logger().info("to the second")
    logging.getLogger("any").info("to the second")
    assert [line["event"] for line in _lines(out)] == ["to the second"] * 2


@pytest.mark.processes
def test_warnings_and_lines_of_a_process_go_to_stderr() -> None:
    script = "from times_dispatch.settings import logs; import warnings; logs.configure(); warnings.warn('careful')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "careful" in json.loads(done.stderr)["event"]


def test_the_fields_of_an_unexpected_error_name_its_position_and_not_its_text() -> None:
    try:
        int("Dear Asha, your code is twelve")
    except ValueError as error:
        fields = logs.failure(error)
    assert fields["error"] == "ValueError"
    assert "test_logs.py" in fields["where"]
    assert "Asha" not in fields["where"].replace('int("Dear Asha, your code is twelve")', "")
