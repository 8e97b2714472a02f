"""``python -m times_dispatch.sandbox``."""

import logging

from times_dispatch.sandbox.command import sandbox

logging.basicConfig(level=logging.INFO)
sandbox()
