"""A simulated Times Mobile server with complete books, for tests, the demo and benchmarks.

The ``gateway`` gets pushes over HTTP, the ``account`` accepts or refuses them, the ``books`` count them, and the
gateway answers. The ``poster`` posts delivery reports to a configured URL. ``faults`` make the sandbox misbehave. Which
faults and reports occur depends only on a seed and on the messages. ``/sandbox/books`` (``control``) shows the counts.
Start a sandbox with ``serve``, with ``dispatch sandbox``, or with ``python -m times_dispatch.sandbox``. The terms are
explained in docs/glossary.md.
"""

from times_dispatch.sandbox.config import ConfigInvalid, ReportsConfig, SandboxConfig
from times_dispatch.sandbox.faults import Fault, Faults
from times_dispatch.sandbox.service import serve

__all__ = ["ConfigInvalid", "Fault", "Faults", "ReportsConfig", "SandboxConfig", "serve"]
