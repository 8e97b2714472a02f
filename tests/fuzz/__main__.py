"""Prints how many inputs each target was given; ends with an error of hypothesis that shows the smallest bad input."""

import argparse
import contextlib
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producers.errors import InputInvalid
from producers.recipients import open_recipients
from times_dispatch.provider.correlation_ids import CorrelationIds
from times_dispatch.provider.description.responses import ResponseReader
from times_dispatch.provider.reports.reports import ReportsUnreadable, parse
from times_dispatch.sms.templates import Template, TemplateInvalid

_INPUTS_PER_ROUND = 1_000
_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
_json = st.recursive(
    _scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=12), inner), max_leaves=20
)
_names = st.sampled_from(["event", "data", "meta", "ts", "code", "url", "incomingText", "statusCode", "state", "parts"])
_bodies = st.binary() | st.dictionaries(_names, _json).map(lambda found: json.dumps([found]).encode())
_tables = st.binary() | st.lists(st.lists(st.text("to,;\"'\n\r\t\\=9\u0905 ", max_size=8))).map(
    lambda rows: "\n".join(",".join(row) for row in [["to", "name"], *rows]).encode()
)
_templates = st.text(max_size=200) | st.text("{}#varnumeric ", max_size=200)
_ids = st.text("0123456789abcdefghijklmnopqrstuvwxyz", max_size=40) | st.text(max_size=40)


def _reports(body: bytes) -> None:
    with contextlib.suppress(ReportsUnreadable):
        parse(body)


def _answers(body: bytes) -> None:
    outcome = ResponseReader().read(200, {}, body)
    assert 0 <= outcome.code <= 65_535


def _csv(content: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        file.write(content)
        file.flush()
        with contextlib.suppress(InputInvalid):
            for chunk in open_recipients(Path(file.name)).chunks():
                assert len(chunk.lines) == len(chunk.rows)


def _template(text: str) -> None:
    with contextlib.suppress(TemplateInvalid):
        Template(text)


def _id(text: str) -> None:
    assert CorrelationIds(b"a key that signed no foreign id").parse(text) is None


TARGETS: dict[str, tuple[Callable[[Any], None], st.SearchStrategy[Any]]] = {
    "reports": (_reports, _bodies),
    "answers and codes": (_answers, _bodies),
    "CSV": (_csv, _tables),
    "templates": (_template, _templates),
    "ids": (_id, _ids),
}


def _counted(name: str, target: Callable[[Any], None], counts: dict[str, int]) -> Callable[..., None]:
    def give(value: Any) -> None:
        counts[name] += 1
        target(value)

    return give


def run(minutes: float) -> dict[str, int]:
    """Give inputs to each target in turn until the time is over; return how many inputs each got."""
    counts = dict.fromkeys(TARGETS, 0)
    options = settings(
        max_examples=_INPUTS_PER_ROUND, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    until = time.monotonic() + 60 * minutes
    while time.monotonic() < until:
        for name, (target, strategy) in TARGETS.items():
            options(given(value=strategy)(_counted(name, target, counts)))()
    return counts


def main() -> None:
    """Read the options of the command line, run, and print the counts."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--minutes", type=float, default=5.0)
    counts = run(parser.parse_args().minutes)
    for name, count in counts.items():
        print(f"{name}: {count:,} inputs")  # noqa: T201  # the figures


if __name__ == "__main__":
    main()
