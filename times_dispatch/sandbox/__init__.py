"""A stand-in for Times Mobile with complete books, for tests, the demo and benchmarks.

Pushes come in over HTTP at the ``gateway``, are accepted or refused by the ``account``, counted in the ``books`` and
answered. Delivery reports go out to a configured URL through the ``poster``. ``faults`` make the sandbox misbehave.
Which faults and reports occur depends only on a seed and on the messages. ``/sandbox/books`` (``control``) shows the
counts. Start a sandbox with ``serve``, with ``dispatch sandbox``, or with ``python -m times_dispatch.sandbox``.
The terms are explained in docs/glossary.md.
"""

from times_dispatch.sandbox.config import ConfigInvalid, ReportsConfig, SandboxConfig
from times_dispatch.sandbox.faults import Fault, Faults
from times_dispatch.sandbox.service import serve

__all__ = ["ConfigInvalid", "Fault", "Faults", "ReportsConfig", "SandboxConfig", "serve"]
