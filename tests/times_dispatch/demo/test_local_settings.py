import tomllib
from pathlib import Path
from typing import Any

import pytest

from times_dispatch.demo.local_settings import DEMO_SETTINGS, LocalSettings, read_local_settings
from times_dispatch.demo.stack import Stack
from times_dispatch.settings.errors import SettingsInvalid

_DEMO = DEMO_SETTINGS.read_text("utf-8")


def _read(folder: Path, text: str) -> LocalSettings:
    path = folder / "dispatch.toml"
    path.write_text(text, "utf-8")
    return read_local_settings(path)


def _table(local: LocalSettings, name: str) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads(local.text)[name]
    return table


def test_the_demos_settings_are_taken_as_they_are() -> None:
    local = read_local_settings(DEMO_SETTINGS)
    assert tomllib.loads(local.text) == tomllib.loads(_DEMO)
    assert local[1:] == ("", {"timesmobile": "/ct/api/v1/message"}, [])


def test_the_sandbox_stands_in_for_a_provider_of_any_name(tmp_path: Path) -> None:
    text = _DEMO.replace("[providers.timesmobile]", "[providers.acme-2]").replace("-post", "-get", 1)
    local = _read(tmp_path, text)
    stack = Stack(settings=local.text, provider_paths=local.provider_paths)
    try:
        environment = stack.environment
    finally:
        stack.stop()
    assert environment["DISPATCH_PROVIDER_ACME_2_ENDPOINT"] == f"{stack.sandbox_url}/ct/api/v1/send"
    assert environment["DISPATCH_PROVIDER_ACME_2_PASSWORD"] == environment["SANDBOX_PASSWORD"]
    assert not any("TIMESMOBILE" in name for name in environment)


def test_a_provider_that_the_sandbox_does_not_know_is_refused_so_that_nothing_is_sent_to_it(tmp_path: Path) -> None:
    own = """
[providers.other]
endpoint = "http://127.0.0.1:9/sms"
method = "POST"
encoding = "form"
payload = { to = "$$To", text = "$$Body", ref = "$$MessageID" }
answers = { code = "status", accepted = [0] }
"""
    with pytest.raises(SettingsInvalid) as refused:
        _read(tmp_path, _DEMO + own)
    assert len(refused.value.mistakes) == 1, refused.value.mistakes
    assert "providers.other: make up sends through the sandbox" in refused.value.mistakes[0]


def test_the_registry_file_is_read_from_the_place_that_the_settings_name(tmp_path: Path) -> None:
    (tmp_path / "dlt").mkdir()
    registry = DEMO_SETTINGS.with_name("templates.toml").read_text("utf-8")
    (tmp_path / "dlt" / "ours.toml").write_text(registry, "utf-8")
    local = _read(tmp_path, _DEMO + '\n[registry]\ntemplates = "dlt/ours.toml"\n')
    assert local.registry == registry
    assert _table(local, "registry") == {"templates": "templates.toml"}


def test_settings_that_reach_others_are_left_out_and_named(tmp_path: Path) -> None:
    text = _DEMO.replace("# forward_url", "forward_url").replace("# relay_url", "relay_url")
    text += '\n[retention]\npath = "/srv/archive"\n[alerts.targets.oncall]\nkinds = ["no_worker"]\n'
    local = _read(tmp_path, text)
    assert local.left_out == ["retention.path", "callbacks.forward_url", "callbacks.relay_url", "alerts.targets"]
    assert not {"forward_url", "relay_url"} & _table(local, "callbacks").keys()
    assert (_table(local, "retention"), _table(local, "alerts")) == ({}, {})


def test_settings_without_tracked_links_start(tmp_path: Path) -> None:
    text = "\n".join(line for line in _DEMO.splitlines() if not line.startswith(("url =", "links =")))
    local = _read(tmp_path, text)
    stack = Stack(links=True, settings=local.text)
    try:
        stack._write_sandbox_config()
        written = tomllib.loads((stack.folder / "sandbox.toml").read_text("utf-8"))
    finally:
        stack.stop()
    assert written["clicks"]["domain"] == ""
