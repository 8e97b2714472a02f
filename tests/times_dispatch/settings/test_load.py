from pathlib import Path

import pytest

from tests.kit.settings import SETTINGS_FILE, VARIABLES, Loader, Mistakes
from times_dispatch.settings.errors import SettingsInvalid
from times_dispatch.settings.load import Need, load, load_from_environment

SHIPPED = Path(__file__).parents[3] / "times_dispatch" / "demo" / "dispatch.toml"


def test_the_shipped_example_is_valid_and_warns_of_nothing() -> None:
    settings = load(SHIPPED, VARIABLES)
    assert settings.warnings == ()
    assert settings.senders["TIMESM"].provider == "timesmobile"
    assert settings.templates["festive-offer"].headers == ("567890",)


def test_a_minimal_file_takes_defaults_for_the_rest(loaded: Loader) -> None:
    settings = loaded()

    assert settings.redis_url == settings.broker_url == "redis://127.0.0.1:6379/0"
    assert settings.id_key == b"0123456789abcdef"
    assert settings.default_provider == "timesmobile"
    provider = settings.providers["timesmobile"]
    assert (provider.nickname, provider.method, provider.username, provider.password) == (
        "timesmobile",
        "POST",
        "shop",
        "hunter2",
    )
    assert provider.endpoint.startswith("https://")
    assert (provider.connect_timeout_s, provider.total_timeout_s, provider.max_connections) == (5.0, 15.0, 400)
    sender = settings.senders["TIMESM"]
    assert (sender.provider, sender.rate_per_s, sender.cost, sender.urgent) == ("timesmobile", 0.0, "messages", False)
    assert settings.templates["order-shipped"].max_value_length == 30
    assert (settings.worker.max_in_flight, settings.worker.lease_s, settings.worker.grace_s) == (400, 15.0, 5.0)


def test_all_mistakes_of_file_and_environment_are_reported_together_each_at_its_line(mistakes: Mistakes) -> None:
    text = """\
[providers.tm]
preset = "timesmobile-pst"
connect_timout_s = 3

[senders.TIMESM]
rate_per_s = -3
category = "sevic"
provider = "tn"

[senders.timesm1]
category = "service"
provider = "tm"

[templates.a]
content_id = 12345
text = ""
senders = ["TIMESM", "TIMESN"]

[brak]

[worker]
max_in_flight = 1.5
"""
    suffix = "without the operator's suffix"
    unset = {
        name: f"environment: {name}: is not set ({purpose}), and neither is {name}_FILE"
        for name, purpose in [
            ("DISPATCH_CALLBACK_SECRET", "the secret part of the callback URL"),
            ("DISPATCH_PROVIDER_TM_USERNAME", "credentials of provider tm"),
            ("DISPATCH_PROVIDER_TM_PASSWORD", "credentials of provider tm"),
        ]
    }
    assert mistakes(text, DISPATCH_ID_KEY="short", DISPATCH_CALLBACK_SECRET=None) == [
        "dispatch.toml:2: providers.tm.preset: must be timesmobile-post or timesmobile-get, is timesmobile-pst",
        "dispatch.toml:3: providers.tm.connect_timout_s: there is no such setting; did you mean connect_timeout_s?",
        "dispatch.toml:6: senders.TIMESM.rate_per_s: must be above 0, is -3",
        "dispatch.toml:7: senders.TIMESM.category: must be transactional, service, government or promotional, is sevic",
        "dispatch.toml:8: senders.TIMESM.provider: there is no provider tn; there is tm",
        f"dispatch.toml:10: senders.timesm1: a header is 3 to 6 letters, or 6 digits if promotional, {suffix}",
        "dispatch.toml:15: templates.a.content_id: must be a text in quotes, is a number",
        "dispatch.toml:16: templates.a.text: must not be empty",
        "dispatch.toml:17: templates.a.senders.1: there is no sender TIMESN; did you mean TIMESM?",
        "dispatch.toml:19: brak: there is no such setting; did you mean brake?",
        "dispatch.toml:22: worker.max_in_flight: must be a whole number, is a number",
        "environment: DISPATCH_ID_KEY: must have at least 16 bytes, has 5",
        *unset.values(),
    ]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("a = \n", "dispatch.toml:1: is not TOML: invalid value"),
        ("a = 1\na = 2\n", "dispatch.toml:2: is not TOML: cannot overwrite a value"),
        ("x = [\n1,\n", "dispatch.toml:3: is not TOML: "),
        (b"\n# caf\xe9\n", "dispatch.toml:2: is not UTF-8; save the file as UTF-8"),
        (SETTINGS_FILE.encode("utf-16"), "dispatch.toml:1: is not UTF-8; save the file as UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_mistake_with_its_line(
    mistakes: Mistakes, text: str | bytes, mistake: str
) -> None:
    (only,) = mistakes(text)
    assert only.startswith(mistake)


def test_mistakes_of_the_environment_are_reported_with_a_syntax_error(mistakes: Mistakes) -> None:
    assert [line.split(":")[0] for line in mistakes("a =", DISPATCH_ID_KEY=None)] == ["dispatch.toml", "environment"]


@pytest.mark.parametrize(
    "text", [SETTINGS_FILE.encode("utf-8-sig"), SETTINGS_FILE.replace("\n", "\r\n")], ids=["bom", "crlf"]
)
def test_files_as_windows_writes_them_are_read(loaded: Loader, text: str | bytes) -> None:
    assert loaded(text).senders["TIMESM"].category == "service"


def test_a_missing_file_says_how_to_name_another(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid) as invalid:
        load(tmp_path / "none.toml", VARIABLES)
    assert str(invalid.value) == (
        f"{tmp_path}/none.toml: there is no such file; DISPATCH_SETTINGS says where the settings are"
    )


def test_a_folder_in_place_of_a_file_is_a_mistake_and_not_a_crash(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="cannot be read: is a directory"):
        load(tmp_path, VARIABLES)


def test_an_empty_file_lacks_its_two_tables(mistakes: Mistakes) -> None:
    assert mistakes("") == ["dispatch.toml: providers: is missing", "dispatch.toml: senders: is missing"]


def test_a_secret_in_the_file_is_refused_and_not_repeated(mistakes: Mistakes) -> None:
    text = SETTINGS_FILE.replace('post"', 'post"\npassword = "hunter3"\nproxy = "http://me:hunter4@proxy"')
    secret, credentials = "a secret must not be in the file", "must not contain credentials"
    where = "environment variable"
    assert mistakes(text) == [
        f"dispatch.toml:3: providers.timesmobile.password: {secret}: give it as an {where}",
        f"dispatch.toml:4: providers.timesmobile.proxy: {credentials}: give them as {where}s",
    ]


def test_a_providers_timeouts_must_fit_each_other(mistakes: Mistakes) -> None:
    (only,) = mistakes(SETTINGS_FILE.replace('post"', 'post"\nconnect_timeout_s = 20'))
    assert only.startswith("dispatch.toml:1: providers.timesmobile: connect_timeout_s must be ")


def test_addresses_of_the_environment_override_those_of_the_file(loaded: Loader) -> None:
    text = SETTINGS_FILE.replace(
        'post"', 'post"\nendpoint = "https://a.example/x"\nproxy = "http://proxy.example:3128"'
    )
    settings = loaded(
        text + '[callbacks]\nlisten = "127.0.0.1:1"\nrelay_url = "https://a.example/relay"\n',
        DISPATCH_PROVIDER_TIMESMOBILE_ENDPOINT="http://127.0.0.1:8086/ct/api/v1/message",
        DISPATCH_PROVIDER_TIMESMOBILE_PROXY="http://me:pw@proxy.example:3128",
        DISPATCH_CALLBACKS_LISTEN="0.0.0.0:8080",
        DISPATCH_CALLBACKS_PUBLIC_URL="https://sms.example",
        DISPATCH_CALLBACKS_RELAY_URL="https://b.example/relay",
        DISPATCH_CALLBACKS_FORWARD_URL="https://c.example/forward",
        DISPATCH_BROKER_URL="amqp://broker.example//",
    )
    provider = settings.providers["timesmobile"]
    assert (provider.endpoint, provider.proxy) == (
        "http://127.0.0.1:8086/ct/api/v1/message",
        "http://me:pw@proxy.example:3128",
    )
    for value in (provider.username, provider.password, provider.endpoint, provider.proxy):
        assert type(value) is str  # encoders accept no subclass of str
    assert settings.callbacks.listen == "0.0.0.0:8080"
    assert settings.callbacks.public_url == "https://sms.example"
    assert settings.relay_url == "https://b.example/relay"
    assert settings.callbacks.forward_url == "https://c.example/forward"
    assert settings.broker_url == "amqp://broker.example//"


def test_a_process_that_needs_only_the_ledger_can_do_without_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "dispatch.toml"
    file.write_text(SETTINGS_FILE, encoding="utf-8")
    settings = load(file, {"DISPATCH_REDIS_URL": "redis://127.0.0.1/0"}, need=frozenset({Need.LEDGER}))
    assert settings.id_key == b""
    assert settings.providers["timesmobile"].password == ""


def test_a_secret_that_is_not_needed_is_still_checked_if_it_is_given(tmp_path: Path) -> None:
    file = tmp_path / "dispatch.toml"
    file.write_text(SETTINGS_FILE, encoding="utf-8")
    with pytest.raises(SettingsInvalid, match="DISPATCH_ID_KEY: must have at least 16 bytes"):
        load(file, {"DISPATCH_ID_KEY": "short"}, need=frozenset())


def test_only_flower_needs_flowers_password(tmp_path: Path) -> None:
    file = tmp_path / "dispatch.toml"
    file.write_text(SETTINGS_FILE, encoding="utf-8")
    assert load(file, VARIABLES).flower_basic_auth == ""
    with pytest.raises(SettingsInvalid, match="DISPATCH_FLOWER_BASIC_AUTH: is not set"):
        load(file, VARIABLES, need=frozenset({Need.FLOWER}))


def test_processes_find_their_file_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    elsewhere = tmp_path / "elsewhere.toml"
    elsewhere.write_text(SETTINGS_FILE, encoding="utf-8")
    monkeypatch.setenv("DISPATCH_SETTINGS", str(elsewhere))
    assert load_from_environment().default_provider == "timesmobile"

    monkeypatch.delenv("DISPATCH_SETTINGS")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsInvalid, match=r"^dispatch\.toml: there is no such file"):
        load_from_environment()


@pytest.mark.parametrize(("text", "seconds"), [("24h", 86_400), ("90m", 5_400), ("0s", 0)])
def test_how_long_an_unknown_callback_secret_gets_503_is_a_duration_or_none(
    loaded: Loader, text: str, seconds: int
) -> None:
    settings = loaded(SETTINGS_FILE + f'[callbacks]\nunknown_secret_503 = "{text}"\n')
    assert settings.callbacks.unknown_secret_503_s == seconds


def test_how_long_an_unknown_callback_secret_gets_503_must_have_a_unit(mistakes: Mistakes) -> None:
    (only,) = mistakes(SETTINGS_FILE + '[callbacks]\nunknown_secret_503 = "24"\n')
    assert "callbacks.unknown_secret_503: must be days, hours, minutes and seconds" in only
