from pathlib import Path

import pytest

from tests.kit.settings import VARIABLES, Loader, Mistakes
from times_dispatch.settings.environment import Environment, read_broker_url
from times_dispatch.settings.values.secrets import Secret


def test_a_file_gives_the_value_without_the_line_break_at_its_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b" sp aces stay \r\n")
    environment = Environment({"KEY_FILE": str(tmp_path / "key")})
    assert environment.get("KEY", purpose="to open the door") == " sp aces stay "
    assert environment.mistakes == []


def test_an_absent_variable_is_a_mistake_only_where_it_is_needed() -> None:
    environment = Environment({"EMPTY": ""})
    assert environment.get("KEY") == environment.get("EMPTY") == ""
    assert environment.mistakes == []
    environment.get("EMPTY", purpose="to open the door")
    assert environment.mistakes == ["environment: EMPTY: is not set (to open the door), and neither is EMPTY_FILE"]


def test_a_variable_given_twice_is_a_mistake() -> None:
    environment = Environment({"KEY": "a", "KEY_FILE": "/b"})
    environment.get("KEY")
    assert environment.mistakes == ["environment: KEY: is given twice, also as KEY_FILE"]


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        (None, "cannot be read: no such file or directory"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff", "is not UTF-8"),
    ],
)
def test_a_file_without_a_value_is_a_mistake(tmp_path: Path, content: bytes | None, mistake: str) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    environment = Environment({"KEY_FILE": str(file)})
    assert environment.get("KEY", purpose="to open the door") == ""
    assert environment.mistakes == [f"environment: KEY_FILE: {file} {mistake}"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DISPATCH_REDIS_URL", "hunter2.example:6379"),
        ("DISPATCH_REDIS_URL", "http://hunter2.example"),
        ("DISPATCH_REDIS_URL", "redis://:hun/ter2@redis.example:6379/0"),
        ("DISPATCH_BROKER_URL", "memory://hunter2"),
        ("DISPATCH_ID_KEY", "hunter2"),
        ("DISPATCH_ID_KEY", "hunter2" * 10),
        ("DISPATCH_ID_KEY_OLD", "hunter2"),
        ("DISPATCH_ID_KEY_OLD", "hunter2" * 10),
        ("DISPATCH_CALLBACK_SECRET", "hunter2"),
        ("DISPATCH_CALLBACK_SECRET_OLD", "hunter2/hunter2/hunter2"),
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


def test_the_secrets_of_before_are_optional_and_may_come_from_files(loaded: Loader, tmp_path: Path) -> None:
    assert (loaded().old_id_key, loaded().old_callback_secret) == (b"", "")
    (tmp_path / "key").write_text("fedcba9876543210\n")
    (tmp_path / "secret").write_text("guess-me-as-before\n")
    settings = loaded(
        DISPATCH_ID_KEY_OLD_FILE=str(tmp_path / "key"), DISPATCH_CALLBACK_SECRET_OLD_FILE=str(tmp_path / "secret")
    )
    assert (settings.id_key, settings.old_id_key) == (b"0123456789abcdef", b"fedcba9876543210")
    assert settings.old_callback_secret == "guess-me-as-before"


def test_an_old_secret_that_equals_the_present_one_is_none(loaded: Loader) -> None:
    settings = loaded(
        DISPATCH_ID_KEY_OLD="0123456789abcdef", DISPATCH_CALLBACK_SECRET_OLD=VARIABLES["DISPATCH_CALLBACK_SECRET"]
    )
    assert (settings.old_id_key, settings.old_callback_secret) == (b"", "")


def test_the_password_of_redis_may_come_by_itself_and_reaches_the_broker_as_well(loaded: Loader) -> None:
    settings = loaded(DISPATCH_REDIS_URL="rediss://app@redis.example:6380/2", DISPATCH_REDIS_PASSWORD="p@ss/w:rd")
    assert settings.redis_url == settings.broker_url == "rediss://app:p%40ss%2Fw%3Ard@redis.example:6380/2"


def test_the_password_of_a_cluster_may_come_by_itself_and_does_not_reach_the_broker(loaded: Loader) -> None:
    settings = loaded(
        DISPATCH_REDIS_URL="redis+cluster://app@one.example:7000,two.example:7001",
        DISPATCH_REDIS_PASSWORD="p@ss",
        DISPATCH_BROKER_URL="redis://broker.example/0",
    )
    assert settings.redis_url == "redis+cluster://app:p%40ss@one.example:7000,two.example:7001"
    assert settings.broker_url == "redis://broker.example/0"


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://one:26379,two:26380,three/0?master=dispatch",
        "rediss+sentinel://worker@one:26379,two:26379/0?master=dispatch",
    ],
)
def test_the_addresses_of_several_sentinels_are_one_url_for_ledger_and_broker(loaded: Loader, url: str) -> None:
    settings = loaded(DISPATCH_REDIS_URL=url, DISPATCH_REDIS_PASSWORD="mellon")
    login = "worker:mellon@" if "worker@" in url else ":mellon@"
    expected = url.replace("worker@", "").replace("://", f"://{login}")
    assert (settings.redis_url, settings.broker_url) == (expected, expected)


def test_a_cluster_without_a_broker_of_its_own_is_a_mistake(mistakes: Mistakes) -> None:
    (only,) = mistakes(DISPATCH_REDIS_URL="redis+cluster://one.example:7000,two.example:7001")
    assert only.startswith("environment: DISPATCH_BROKER_URL: is not set, and the ledger is a cluster")


@pytest.mark.parametrize("name", ["DISPATCH_REDIS_URL", "DISPATCH_BROKER_URL"])
def test_an_unknown_option_of_a_url_is_a_mistake_in_one_line(mistakes: Mistakes, name: str) -> None:
    (only,) = mistakes(**{name: "rediss://:hunter2@redis.example/0?timeout=5"})
    assert only.startswith(f"environment: {name}: has an unknown option timeout: ")
    assert "hunter2" not in only


def test_two_passwords_of_redis_are_a_mistake(mistakes: Mistakes) -> None:
    lines = mistakes(DISPATCH_REDIS_URL="redis://:a@redis.example/0", DISPATCH_REDIS_PASSWORD="b")
    assert lines == ["environment: DISPATCH_REDIS_PASSWORD: DISPATCH_REDIS_URL contains a password too"]


@pytest.mark.parametrize("database", ["zero", "0x1", "1/2", "0%00", "\u0661"])
@pytest.mark.parametrize("name", ["DISPATCH_REDIS_URL", "DISPATCH_BROKER_URL"])
def test_a_database_that_is_no_number_is_refused(mistakes: Mistakes, name: str, database: str) -> None:
    (only,) = mistakes(**{name: f"redis://:hunter2@redis.example/{database}"})
    assert only == (
        f"environment: {name}: must have the number of a database after the host, as in redis://host:6379/0"
    )


def test_the_address_of_a_broker_that_is_no_address_is_refused(mistakes: Mistakes) -> None:
    (only,) = mistakes(DISPATCH_BROKER_URL="redis://:hunter2@[bad:6379/0")
    assert only.startswith("environment: DISPATCH_BROKER_URL: ")
    assert "hunter2" not in only


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:half#hunter2@host:1/0",
        "redis://user:half#hun;ter2@host:1/0",
        "redis://user:12#hunter2@host:1/0",
        "amqps://user:half/hunter2@host/",
        "amqp://user:hunter2@one:5672//;amqp://user:half#hunter2@two:5672//",
        "redis://user:hunter2@host:65536/0",
    ],
)
def test_a_url_of_the_broker_whose_port_cannot_be_read_is_refused(mistakes: Mistakes, url: str) -> None:
    (only,) = mistakes(DISPATCH_BROKER_URL=url)
    assert only.startswith("environment: DISPATCH_BROKER_URL: must have a port from 0 to 65535 or none; ")
    assert not any(piece in only for piece in ("half", "hun", "ter2"))


def test_a_url_of_several_brokers_is_taken() -> None:
    url = "amqp://user:hunter2@one:5672//;amqp://user:hunter2@two:5672//"
    environment = Environment({"DISPATCH_BROKER_URL": url})
    assert read_broker_url(environment, Secret("")) == url
    assert environment.mistakes == []
