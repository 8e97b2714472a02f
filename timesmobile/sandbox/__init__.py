"""A stand-in for Times Mobile that keeps honest books.

Pushes come in at the ``gateway``, are ruled on by the ``account``, entered into the ``books`` and answered; delivery
reports go out to a configured URL through the ``poster``. ``faults`` make it misbehave, everything random comes from a
seed, and ``/sandbox/books`` (``control``) says what happened. Run it with ``serve``, with ``dispatch sandbox``, or with
``python -m timesmobile.sandbox``.
"""

from timesmobile.sandbox.config import ConfigInvalid, ReportsConfig, SandboxConfig
from timesmobile.sandbox.faults import Fault, Faults
from timesmobile.sandbox.service import serve

__all__ = ["ConfigInvalid", "Fault", "Faults", "ReportsConfig", "SandboxConfig", "serve"]
