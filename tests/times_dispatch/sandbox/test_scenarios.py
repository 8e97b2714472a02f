import pytest

from tests.kit.sandbox import PASSWORD, USERNAME
from times_dispatch.sandbox.config import SandboxConfig, read
from times_dispatch.sandbox.scenarios import SCENARIOS

ORDINARY = SandboxConfig(username=USERNAME, password=PASSWORD)


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_scenario_is_a_valid_configuration_that_differs_from_the_ordinary_one(name: str) -> None:
    config = read(None, username=USERNAME, password=PASSWORD, **SCENARIOS[name])
    assert config != ORDINARY


def test_throttled_answers_429_and_503_and_accepts_most_pushes() -> None:
    faults = read(None, username=USERNAME, password=PASSWORD, **SCENARIOS["throttled"]).faults
    assert (faults.http_429, faults.http_503_retry_after) == (0.2, 0.05)


def test_slow_takes_seconds_and_loses_nothing() -> None:
    config = read(None, username=USERNAME, password=PASSWORD, **SCENARIOS["slow"])
    assert (config.latency_max_ms, config.reports.delay_max_ms, config.faults) == (3_000, 60_000, ORDINARY.faults)
