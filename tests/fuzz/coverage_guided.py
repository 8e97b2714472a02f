"""Input that atheris chooses by the branches that earlier inputs took: ``python -m tests.fuzz --coverage``.

Atheris is no dependency of the project, because it does not support every version of Python: ``pip install atheris``.
"""

import importlib
import sys
import zlib
from pathlib import Path
from typing import Any, Final

_MAX_INPUT_BYTES: Final = 4_096
_MAX_MB: Final = 300
_MAX_S: Final = 5
_READERS: Final = [
    "callbacks.http",
    "producers.recipients",
    "times_dispatch.content_encoding",
    "times_dispatch.links",
    "times_dispatch.provider.correlation_ids",
    "times_dispatch.provider.description.responses",
    "times_dispatch.provider.reports",
    "times_dispatch.sms.templates",
]
"""The modules whose branches count; atheris would need minutes to instrument all modules."""
_REPORTS: Final = b'[{"event":"failed","data":[{"ts":1764240000,"meta":"x","code":"901","url":"u"}]}]'
_SEEDS: Final = {
    "reports": _REPORTS,
    "posts": b"\0" + _REPORTS,
    "compressed posts": zlib.compress(_REPORTS),
    "links": b"/TIMESM/keUpWKYE5VS/stop",
    "answers and codes": b'{"transactionId": 1, "state": "SUBMIT_FAILED", "statusCode": 2070, "pdu": 1}',
    "CSV": b'to,name\n9876543210,"Asha"\n',
    "templates": b"Dear {#var#}, {#numeric#} of {#url#}",
    "ids": b"0123456789abcdefghijklmnopqrstuv",
}
"""A valid input for each target, which atheris changes; without it, atheris would not find the form of JSON."""


def main() -> None:
    """Give inputs to a target; the first argument names the target, and the second is the number of seconds."""
    name, seconds = sys.argv[1], int(sys.argv[2])
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=_READERS):
        targets = importlib.import_module("tests.fuzz.__main__")
    target, takes_bytes = targets.TARGETS[name][0], name in targets.OF_BYTES

    def give(data: bytes) -> None:
        target(data if takes_bytes else data.decode("utf-8", "replace"))

    bounds = [
        f"-max_total_time={seconds}",
        f"-max_len={_MAX_INPUT_BYTES}",
        f"-rss_limit_mb={_MAX_MB}",
        f"-timeout={_MAX_S}",
    ]
    corpus = Path("corpus")
    corpus.mkdir()
    (corpus / "seed").write_bytes(_SEEDS[name])
    atheris.Setup([sys.argv[0], *bounds, str(corpus)], give)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
