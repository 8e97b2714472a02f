from collections.abc import Callable
from pathlib import Path

import pytest

from tests.times_dispatch.settings.conftest import FILE, VARIABLES, Loader
from times_dispatch.settings import Need, SettingsInvalid, load, load_from_environment

Mistakes = Callable[..., list[str]]

SHIPPED = Path(__file__).parents[3] / "times_dispatch" / "demo" / "dispatch.toml"


def test_the_shipped_example_is_valid_and_warns_of_nothing() -> None:
    settings = load(SHIPPED, VARIABLES)
    assert settings.warnings == ()
    assert settings.senders["TIMESM"].provider == "timesmobile"
    assert settings.templates["festive-offer"].headers == ("567890", "TIMESM")


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


def test_no_secret_is_in_any_repr(loaded: Loader) -> None:
    settings = loaded(DISPATCH_REDIS_URL="redis://:swordfish@127.0.0.1:6379/0", DISPATCH_FLOWER_BASIC_AUTH="me:mellon")
    shown = repr(settings) + repr([settings.redis_url, settings.broker_url, settings.id_key])
    for secret in ("swordfish", "0123456789abcdef", "guess-me", "hunter2", "mellon"):
        assert secret not in shown


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
        f"dispatch.toml:10: senders.timesm1: a header is 6 letters, or 6 digits if promotional, {suffix}",
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
        (FILE.encode("utf-16"), "dispatch.toml:1: is not UTF-8; save the file as UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(mistakes: Mistakes, text: str | bytes, mistake: str) -> None:
    (only,) = mistakes(text)
    assert only.startswith(mistake)


def test_what_is_wrong_with_the_environment_is_said_beside_a_syntax_error(mistakes: Mistakes) -> None:
    assert [line.split(":")[0] for line in mistakes("a =", DISPATCH_ID_KEY=None)] == ["dispatch.toml", "environment"]


@pytest.mark.parametrize("text", [FILE.encode("utf-8-sig"), FILE.replace("\n", "\r\n")], ids=["bom", "crlf"])
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
    text = FILE.replace('post"', 'post"\npassword = "hunter3"\nproxy = "http://me:hunter4@proxy"')
    secret, credentials = "a secret does not stand in the file", "must not hold credentials"
    where = "environment variable"
    assert mistakes(text) == [
        f"dispatch.toml:3: providers.timesmobile.password: {secret}: give it as an {where}",
        f"dispatch.toml:4: providers.timesmobile.proxy: {credentials}: they are given as {where}s",
    ]


@pytest.mark.parametrize(
    ("header", "category", "valid"),
    [
        ("TIMESM", "service", True),
        ("TIMESM", "promotional", True),  # former service explicit templates kept their letters
        ("timesm", "government", True),
        ("567890", "promotional", True),
        ("567890", "service", False),
        ("TIMES", "service", False),
        ("TIMESMS", "service", False),
        ("TIMES1", "service", False),
        ("TIMESM-S", "service", False),
        ("टाइम्स", "service", False),
        ("५६७८९०", "promotional", False),
    ],
)
def test_a_header_is_six_letters_or_six_digits_and_digits_are_promotional(
    tmp_path: Path, header: str, category: str, valid: bool
) -> None:
    file = tmp_path / "dispatch.toml"
    file.write_text(
        f'[providers.timesmobile]\npreset = "timesmobile-get"\n[senders."{header}"]\ncategory = "{category}"\n',
        encoding="utf-8",
    )
    if valid:
        assert load(file, VARIABLES).senders[header].category == category
    else:
        with pytest.raises(SettingsInvalid, match=r"dispatch\.toml:[34]: senders\."):
            load(file, VARIABLES)


@pytest.mark.parametrize(("digits", "warned"), [(12, True), (18, True), (19, False)])
def test_an_entity_id_below_19_digits_is_taken_with_a_warning(loaded: Loader, digits: int, warned: bool) -> None:
    settings = loaded(FILE.replace("1201159134572839402", "1" * digits))
    assert settings.warnings == (
        (f"dispatch.toml:6: senders.TIMESM.entity_id: has {digits} digits, every known one has 19",) if warned else ()
    )


@pytest.mark.parametrize("digits", ["1" * 11, "1" * 20, "120115913457283940O", " 1201159134572839402"])
def test_an_entity_id_is_12_to_19_digits(mistakes: Mistakes, digits: str) -> None:
    assert mistakes(FILE.replace("1201159134572839402", digits)) == [
        f"dispatch.toml:6: senders.TIMESM.entity_id: must be 12 to 19 digits in quotes, is '{digits}'"
    ]


@pytest.mark.parametrize(("digits", "valid"), [("123", False), ("1234", True), ("1" * 19, True), ("1" * 20, False)])
def test_a_content_id_is_4_to_19_digits(loaded: Loader, digits: str, valid: bool) -> None:
    text = FILE.replace("1207161786534401928", digits)
    if valid:
        assert loaded(text).templates["order-shipped"].content_id == digits
    else:
        with pytest.raises(SettingsInvalid, match="must be 4 to 19 digits in quotes"):
            loaded(text)


@pytest.mark.parametrize("rate", ["-0.001", "1e-300", "0.0099", "inf", "-inf", "nan", '"5"', "true"])
def test_a_rate_that_is_none_is_refused(mistakes: Mistakes, rate: str) -> None:
    (only,) = mistakes(FILE.replace('"service"', f'"service"\nrate_per_s = {rate}'))
    assert only.startswith("dispatch.toml:6: senders.TIMESM.rate_per_s: must be ")


@pytest.mark.parametrize("rate", ["0", "0.0", "0.01", "0.1", "200", "5e3"])
def test_a_rate_may_be_whole_or_not_and_0_is_no_limit(loaded: Loader, rate: str) -> None:
    assert loaded(FILE.replace('"service"', f'"service"\nrate_per_s = {rate}')).senders["TIMESM"].rate_per_s == float(
        rate
    )


@pytest.mark.parametrize("senders", ["", 'sender = "TIMESM"\nsenders = ["TIMESM"]', "senders = []"])
def test_a_template_names_its_senders_in_one_way(mistakes: Mistakes, senders: str) -> None:
    (only,) = mistakes(FILE.replace('sender = "TIMESM"', senders))
    assert only == (
        'dispatch.toml:8: templates.order-shipped: needs either sender = "HEADER" or senders = ["HEADER", …]'
    )


TWO_PROVIDERS = """\
[providers.one]
preset = "timesmobile-post"
[providers.two]
preset = "timesmobile-get"
{default}
[senders.TIMESM]
category = "service"
"""
CREDENTIALS_OF_TWO = {
    f"DISPATCH_PROVIDER_{name}_{part}": "x" for name in ("ONE", "TWO") for part in ("USERNAME", "PASSWORD")
}


def test_a_sender_without_a_provider_takes_the_default_one(loaded: Loader) -> None:
    settings = loaded(TWO_PROVIDERS.format(default="default = true"), **CREDENTIALS_OF_TWO)
    assert settings.default_provider == settings.senders["TIMESM"].provider == "two"


def test_of_two_providers_one_must_be_the_default_if_a_sender_needs_it(mistakes: Mistakes) -> None:
    assert mistakes(TWO_PROVIDERS.format(default=""), **CREDENTIALS_OF_TWO) == [
        "dispatch.toml:6: senders.TIMESM.provider: is missing, and no provider is marked default = true"
    ]


def test_two_defaults_are_a_mistake(mistakes: Mistakes) -> None:
    text = TWO_PROVIDERS.format(default="default = true").replace('post"', 'post"\ndefault = true')
    assert "dispatch.toml:6: providers.two.default: only one provider can be the default, and one is" in mistakes(
        text, **CREDENTIALS_OF_TWO
    )


def test_two_nicknames_that_share_their_variables_are_a_mistake(mistakes: Mistakes) -> None:
    text = TWO_PROVIDERS.format(default="default = true").replace("one", "tm-a").replace("two", "tm_a")
    found = mistakes(text, DISPATCH_PROVIDER_TM_A_USERNAME="x", DISPATCH_PROVIDER_TM_A_PASSWORD="y")
    assert found == ["environment: DISPATCH_PROVIDER_TM_A_…: stands for both tm-a and tm_a; rename one of them"]


def test_a_providers_timeouts_must_fit_each_other(mistakes: Mistakes) -> None:
    (only,) = mistakes(FILE.replace('post"', 'post"\nconnect_timeout_s = 20'))
    assert only.startswith("dispatch.toml:1: providers.timesmobile: connect_timeout_s must be ")


def test_addresses_of_the_environment_go_before_those_of_the_file(loaded: Loader) -> None:
    text = FILE.replace('post"', 'post"\nendpoint = "https://a.example/x"\nproxy = "http://proxy.example:3128"')
    settings = loaded(
        text + '[callbacks]\nlisten = "127.0.0.1:1"\nrelay_url = "https://a.example/relay"\n',
        DISPATCH_PROVIDER_TIMESMOBILE_ENDPOINT="http://127.0.0.1:8086/ct/api/v1/message",
        DISPATCH_PROVIDER_TIMESMOBILE_PROXY="http://me:pw@proxy.example:3128",
        DISPATCH_CALLBACKS_LISTEN="0.0.0.0:8080",
        DISPATCH_CALLBACKS_PUBLIC_URL="https://sms.example",
        DISPATCH_CALLBACKS_RELAY_URL="https://b.example/relay",
        DISPATCH_BROKER_URL="amqp://broker.example//",
    )
    provider = settings.providers["timesmobile"]
    assert (provider.endpoint, provider.proxy) == (
        "http://127.0.0.1:8086/ct/api/v1/message",
        "http://me:pw@proxy.example:3128",
    )
    for value in (provider.username, provider.password, provider.endpoint, provider.proxy):
        assert type(value) is str  # encoders take no subclass
    assert settings.callbacks.listen == "0.0.0.0:8080"
    assert settings.callbacks.public_url == "https://sms.example"
    assert settings.relay_url == "https://b.example/relay"
    assert settings.broker_url == "amqp://broker.example//"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DISPATCH_REDIS_URL", "hunter2.example:6379"),
        ("DISPATCH_REDIS_URL", "http://hunter2.example"),
        ("DISPATCH_REDIS_URL", "redis://:hun/ter2@redis.example:6379/0"),
        ("DISPATCH_BROKER_URL", "memory://hunter2"),
        ("DISPATCH_ID_KEY", "hunter2"),
        ("DISPATCH_ID_KEY", "hunter2" * 10),
        ("DISPATCH_CALLBACK_SECRET", "hunter2"),
        ("DISPATCH_CALLBACK_SECRET", "hunter2/hunter2/hunter2"),
        ("DISPATCH_FLOWER_BASIC_AUTH", "hunter2"),
        ("DISPATCH_CALLBACKS_LISTEN", "hunter2"),
        ("DISPATCH_CALLBACKS_LISTEN", "hunter2:70000"),
        ("DISPATCH_CALLBACKS_RELAY_URL", "ftp://hunter2"),
        ("DISPATCH_PROVIDER_TIMESMOBILE_ENDPOINT", "https://a:hunter2@b/"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named_but_not_shown(mistakes: Mistakes, name: str, value: str) -> None:
    (only,) = mistakes(**{name: value})
    assert only.startswith(f"environment: {name}: must ")
    assert "hun" not in only


@pytest.mark.parametrize("size", [16, 64])
def test_an_id_key_has_16_to_64_bytes(loaded: Loader, size: int) -> None:
    assert loaded(DISPATCH_ID_KEY="k" * size).id_key == b"k" * size


def test_the_password_of_redis_may_come_by_itself_and_reaches_the_broker_as_well(loaded: Loader) -> None:
    settings = loaded(DISPATCH_REDIS_URL="rediss://app@redis.example:6380/2", DISPATCH_REDIS_PASSWORD="p@ss/w:rd")
    assert settings.redis_url == settings.broker_url == "rediss://app:p%40ss%2Fw%3Ard@redis.example:6380/2"


def test_two_passwords_of_redis_are_a_mistake(mistakes: Mistakes) -> None:
    found = mistakes(DISPATCH_REDIS_URL="redis://:a@redis.example/0", DISPATCH_REDIS_PASSWORD="b")
    assert found == ["environment: DISPATCH_REDIS_PASSWORD: DISPATCH_REDIS_URL holds a password as well"]


def test_a_process_that_needs_only_the_ledger_can_do_without_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "dispatch.toml"
    file.write_text(FILE, encoding="utf-8")
    settings = load(file, {"DISPATCH_REDIS_URL": "redis://127.0.0.1/0"}, need=frozenset({Need.LEDGER}))
    assert settings.id_key == b""
    assert settings.providers["timesmobile"].password == ""


def test_what_a_process_does_not_need_is_checked_all_the_same_if_it_is_there(tmp_path: Path) -> None:
    file = tmp_path / "dispatch.toml"
    file.write_text(FILE, encoding="utf-8")
    with pytest.raises(SettingsInvalid, match="DISPATCH_ID_KEY: must have at least 16 bytes"):
        load(file, {"DISPATCH_ID_KEY": "short"}, need=frozenset())


def test_only_flower_needs_flowers_password(tmp_path: Path) -> None:
    file = tmp_path / "dispatch.toml"
    file.write_text(FILE, encoding="utf-8")
    assert load(file, VARIABLES).flower_basic_auth == ""
    with pytest.raises(SettingsInvalid, match="DISPATCH_FLOWER_BASIC_AUTH: is not set"):
        load(file, VARIABLES, need=frozenset({Need.FLOWER}))


def test_processes_find_their_file_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    elsewhere = tmp_path / "elsewhere.toml"
    elsewhere.write_text(FILE, encoding="utf-8")
    monkeypatch.setenv("DISPATCH_SETTINGS", str(elsewhere))
    assert load_from_environment().default_provider == "timesmobile"

    monkeypatch.delenv("DISPATCH_SETTINGS")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsInvalid, match=r"^dispatch\.toml: there is no such file"):
        load_from_environment()
