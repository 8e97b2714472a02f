"""Prints how many inputs each target got; a failure is an error of hypothesis that shows the smallest bad input."""

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callbacks.http.form_fields import json_in_query
from callbacks.http.posted_body import json_in
from callbacks.http.posted_reports import read
from callbacks.links.application import PATH
from producers.errors import InputInvalid
from producers.recipients import open_recipients
from times_dispatch.content_encoding import BodyDamaged, decompress
from times_dispatch.links.codes import LinkCodeReader
from times_dispatch.provider.correlation_ids import CorrelationIds
from times_dispatch.provider.description.responses import ResponseReader
from times_dispatch.provider.reports.reports import ReportsUnreadable, parse
from times_dispatch.sms.templates import Template, TemplateInvalid

_INPUTS_PER_ROUND = 100
_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
_json = st.recursive(
    _scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=12), inner), max_leaves=20
)
_names = st.sampled_from(["event", "data", "meta", "ts", "code", "url", "incomingText", "statusCode", "state", "parts"])
_bodies = st.binary() | st.dictionaries(_names, _json).map(lambda found: json.dumps([found]).encode())
_tables = st.binary() | st.lists(st.lists(st.text("to,;\"'\n\r\t\\=9\u0905 ", max_size=8))).map(
    lambda rows: "\n".join(",".join(row) for row in [["to", "name"], *rows]).encode()
)
_CONTENT_TYPES = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "")
_templates = st.text(max_size=200) | st.text("{}#varnumeric ", max_size=200)
_ids = st.text("0123456789abcdefghijklmnopqrstuvwxyz", max_size=40) | st.text(max_size=40)


def _reports(body: bytes) -> None:
    with contextlib.suppress(ReportsUnreadable):
        parse(body)


def _posts(post: bytes) -> None:
    """Read a post; the first byte of the input chooses the content type."""
    kind = _CONTENT_TYPES[post[0] % len(_CONTENT_TYPES)] if post else ""
    with contextlib.suppress(ReportsUnreadable):
        read(json_in(post[1:], kind) if post[1:] else json_in_query(post))


def _compressed(body: bytes) -> None:
    for coding in ("gzip", "deflate", ""):
        with contextlib.suppress(BodyDamaged):
            assert len(decompress(body, coding, max_bytes=100_000)) <= 100_001


def _link(path: str) -> None:
    match = PATH.fullmatch(path.encode("utf-8", "replace"))
    if match:
        LinkCodeReader([b"a key that made no code"]).candidates(match[1].decode(), match[2].decode())


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
    "posts": (_posts, _bodies),
    "compressed posts": (_compressed, st.binary()),
    "links": (_link, st.from_regex(r"/[A-Za-z0-9]{3,6}/[0-9A-Za-z]{11}", fullmatch=True) | st.text(max_size=30)),
    "answers and codes": (_answers, _bodies),
    "CSV": (_csv, _tables),
    "templates": (_template, _templates),
    "ids": (_id, _ids),
}
OF_BYTES = frozenset({"reports", "posts", "compressed posts", "answers and codes", "CSV"})
"""The targets that take bytes; all other targets take texts."""


def _counted(name: str, target: Callable[[Any], None], counts: dict[str, int]) -> Callable[..., None]:
    def give(value: Any) -> None:
        counts[name] += 1
        target(value)

    return give


def run(minutes: float) -> dict[str, int]:
    """Give inputs to each target in turn until the time is over; return how many inputs each target got."""
    counts = dict.fromkeys(TARGETS, 0)
    options = settings(
        max_examples=_INPUTS_PER_ROUND, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    until = time.monotonic() + 60 * minutes
    while time.monotonic() < until:
        for name, (target, strategy) in TARGETS.items():
            options(given(value=strategy)(_counted(name, target, counts)))()
    return counts


def run_by_coverage(minutes: float) -> dict[str, int]:
    """Let atheris give inputs to each target for equal times; return how many inputs each target got.

    Raises:
        CalledProcessError: a target failed; its output shows the input.
    """
    counts, seconds = dict[str, int](), max(1, round(60 * minutes / len(TARGETS)))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for name in TARGETS:
        command = [sys.executable, "-m", "tests.fuzz.coverage_guided", name, str(seconds)]
        with tempfile.TemporaryDirectory() as folder:  # atheris writes the inputs that fail into its folder
            done = subprocess.run(  # a module of this project
                command, cwd=folder, env=environment, text=True, stderr=subprocess.PIPE, check=False
            )
        if done.returncode:
            print(done.stderr)  # noqa: T201  # the input, and the place of the failure
            done.check_returncode()
        counts[name] = int(re.findall(r"Done (\d+) runs", done.stderr)[-1])
    return counts


def main() -> None:
    """Read the options of the command line, run, and print the counts."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--coverage", action="store_true", help="let atheris choose the inputs (pip install atheris)")
    options = parser.parse_args()
    counts = run_by_coverage(options.minutes) if options.coverage else run(options.minutes)
    for name, count in counts.items():
        print(f"{name}: {count:,} inputs")  # noqa: T201  # the figures


if __name__ == "__main__":
    main()
