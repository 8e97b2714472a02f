"""Every process on a host with a wrong clock loads this module: libfaketime 0.9 does not support ``time.sleep``."""

import select
import time
from typing import SupportsIndex


def _sleep(seconds: float | SupportsIndex) -> None:
    select.select([], [], [], float(seconds))


time.sleep = _sleep
