import pytest

from tests.kit.producers import Run


@pytest.mark.parametrize("seconds", ["nan", "inf"])
def test_a_timeout_that_never_comes_is_refused(run: Run, submitted: str, seconds: str) -> None:
    refused = run("watch", submitted, "--timeout", seconds)
    assert refused.exit_code == 2
    assert "is not a finite number" in refused.stderr
