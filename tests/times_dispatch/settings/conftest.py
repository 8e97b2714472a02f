from pathlib import Path

import pytest

from tests.kit.settings import SETTINGS_FILE, VARIABLES, Loader, Mistakes
from times_dispatch.settings.errors import SettingsInvalid
from times_dispatch.settings.load import load
from times_dispatch.settings.model import Settings


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loader:
    monkeypatch.chdir(tmp_path)

    def load_text(text: str | bytes = SETTINGS_FILE, **changes: str | None) -> Settings:
        raw = text.encode() if isinstance(text, str) else text
        Path("dispatch.toml").write_bytes(raw)
        variables = {name: value for name, value in (VARIABLES | changes).items() if value is not None}
        return load(Path("dispatch.toml"), variables)

    return load_text


@pytest.fixture
def mistakes(loaded: Loader) -> Mistakes:
    def load_text(text: str | bytes = SETTINGS_FILE, **changes: str | None) -> list[str]:
        with pytest.raises(SettingsInvalid) as invalid:
            loaded(text, **changes)
        assert str(invalid.value) == "\n".join(invalid.value.mistakes)
        return list(invalid.value.mistakes)

    return load_text
