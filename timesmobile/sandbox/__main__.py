"""``python -m timesmobile.sandbox``."""

import logging

from timesmobile.sandbox.command import sandbox

logging.basicConfig(level=logging.INFO)
sandbox()
