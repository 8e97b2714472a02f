"""Input that atheris chooses by the branches that earlier input took: ``python -m tests.fuzz --coverage``.

Atheris is no dependency of the project, because there is none for every version of Python: ``pip install atheris``.
"""

import importlib
import sys
from typing import Any, Final

_MAX_INPUT_BYTES: Final = 4_096
_MAX_MB: Final = 300
_MAX_S: Final = 5


def main() -> None:
    """Give inputs to the target that the first argument names, for as many seconds as the second says."""
    name, seconds = sys.argv[1], int(sys.argv[2])
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["times_dispatch", "callbacks", "producers"]):
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
    atheris.Setup([sys.argv[0], *bounds], give)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
