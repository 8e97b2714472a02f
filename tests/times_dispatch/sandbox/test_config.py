"""The configuration of the sandbox, when its path is no regular file."""

from pathlib import Path

import pytest

from times_dispatch.sandbox.config import ConfigInvalid, read


def test_a_device_without_an_end_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match="/dev/zero: it has more than 16,000,000 bytes"):
        read(Path("/dev/zero"))
