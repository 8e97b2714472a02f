"""Runs a sandbox: ``python -m times_dispatch.sandbox`` takes the options of ``dispatch sandbox``."""

import logging

from times_dispatch.sandbox.command import sandbox

logging.basicConfig(level=logging.INFO)
sandbox()
