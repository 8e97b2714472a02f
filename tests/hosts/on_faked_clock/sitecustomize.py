"""Loaded by every process on a host with a wrong clock: libfaketime 0.9 refuses the call that ``time.sleep`` makes."""

import select
import time
from typing import SupportsIndex


def _sleep(seconds: float | SupportsIndex) -> None:
    select.select([], [], [], float(seconds))


time.sleep = _sleep
