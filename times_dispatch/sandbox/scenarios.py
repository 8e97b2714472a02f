"""Scenarios: the usual faults of providers by name, each as a group of options of the sandbox."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SCENARIOS: Final[Mapping[str, Mapping[str, object]]] = MappingProxyType(
    {
        "throttled": {"faults": {"http_429": 0.2, "http_503_retry_after": 0.05, "retry_after_s": 1}},
        "flaky": {
            "faults": {
                "reset_before": 0.01,
                "http_502": 0.01,
                "http_504": 0.005,
                "reset_after": 0.01,
                "garbage_after": 0.005,
            },
            "reports_duplicated": 0.1,
            "reports_missing": 0.01,
        },
        "slow": {
            "latency_min_ms": 500,
            "latency_max_ms": 3_000,
            "reports_delay_min_ms": 5_000,
            "reports_delay_max_ms": 60_000,
        },
        "strict": {"invalid_numbers": 0.1, "bare_refusals": 0.5, "reports_failed": 0.3},
    }
)
"""The options of ``SandboxConfig`` for each scenario; ``reports_x`` is the option x of ``reports``."""
