"""A stand-in for Times Mobile that keeps honest books.

Pushes come in at the ``gateway``, are ruled on by the ``account``, entered into the ``books`` and answered; delivery
reports go out to a configured URL through the ``poster``. ``faults`` make it misbehave, everything random comes from a
seed, and ``/sandbox/books`` (``control``) says what happened. Run it with ``serve``, with ``dispatch sandbox``, or with
``python -m timesmobile.sandbox``.
"""

from times_dispatch.sandbox.config import ConfigInvalid, ReportsConfig, SandboxConfig
from times_dispatch.sandbox.faults import Fault, Faults
from times_dispatch.sandbox.service import serve

__all__ = ["ConfigInvalid", "Fault", "Faults", "ReportsConfig", "SandboxConfig", "serve"]
