"""A settings file and an environment that are valid, for tests to break one thing at a time."""

from collections.abc import Callable
from pathlib import Path

import pytest

from times_dispatch.settings import Settings, SettingsInvalid, load

FILE = """\
[providers.timesmobile]
preset = "timesmobile-post"

[senders.TIMESM]
category = "service"
entity_id = "1201159134572839402"

[templates.order-shipped]
sender = "TIMESM"
content_id = "1207161786534401928"
text = "Your order {#var#} is on its way."
"""

VARIABLES = {
    "DISPATCH_REDIS_URL": "redis://127.0.0.1:6379/0",
    "DISPATCH_ID_KEY": "0123456789abcdef",
    "DISPATCH_CALLBACK_SECRET": "guess-me-if-you-can",
    "DISPATCH_PROVIDER_TIMESMOBILE_USERNAME": "shop",
    "DISPATCH_PROVIDER_TIMESMOBILE_PASSWORD": "hunter2",
}

Loader = Callable[..., Settings]


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loader:
    """Load a file with this text and the environment with these changes; None takes a variable away."""
    monkeypatch.chdir(tmp_path)

    def load_it(text: str | bytes = FILE, **changes: str | None) -> Settings:
        raw = text.encode() if isinstance(text, str) else text
        Path("dispatch.toml").write_bytes(raw)
        variables = {name: value for name, value in (VARIABLES | changes).items() if value is not None}
        return load(Path("dispatch.toml"), variables)

    return load_it


@pytest.fixture
def mistakes(loaded: Loader) -> Callable[..., list[str]]:
    """Load what cannot be loaded and return the mistakes."""

    def load_it(text: str | bytes = FILE, **changes: str | None) -> list[str]:
        with pytest.raises(SettingsInvalid) as invalid:
            loaded(text, **changes)
        assert str(invalid.value) == "\n".join(invalid.value.mistakes)
        return list(invalid.value.mistakes)

    return load_it
